#!/bin/sh
# Takes MinIO's variables and command ("server FOLDER") and serves S3 on its port.
set -eu
[ "$1" = server ]
export RCLONE_AUTH_KEY="\"$(cat "$MINIO_ROOT_USER_FILE"),$(cat "$MINIO_ROOT_PASSWORD_FILE")\""
exec rclone serve s3 --addr 0.0.0.0:9000 --no-cleanup --config "" "$2"
