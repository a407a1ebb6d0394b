#!/bin/sh
# Redis with somebody to take over: redis-ha.sh master|replica|sentinel. The user "operator" speaks for all three.
set -eu
password=$(sed 's#^redis://operator:##; s#@.*##' /run/secrets/redis-url-operator)
server() { # FOLDER [OPTION…]
    folder=$1
    shift
    exec redis-server --dir "$folder" --appendonly yes --save "" --maxmemory-policy noeviction \
        --aclfile /run/secrets/redis-users --masteruser operator --masterauth "$password" "$@"
}
case $1 in
    master) server /data ;;
    replica) server /tmp --replicaof redis 6379 ;;
    sentinel)
        # By address: a name goes with its container, and what is watched must have one when it is gone.
        cat > /tmp/sentinel.conf <<EOF
sentinel monitor drover $(getent hosts redis | awk '{ print $1; exit }') 6379 1
sentinel auth-user drover operator
sentinel auth-pass drover $password
sentinel down-after-milliseconds drover 2000
sentinel failover-timeout drover 10000
EOF
        exec redis-server /tmp/sentinel.conf --sentinel
        ;;
esac
