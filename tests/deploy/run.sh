#!/bin/bash
# Proves docker-compose.yml and deploy/Dockerfile where no image registry is reached: builds every image from
# Debian's and Python's packages, starts the whole composition with podman, runs real jobs, and takes it down.
# Needs root on Debian bookworm. usage: tests/deploy/run.sh [--keep]   (--keep leaves it running)
set -euo pipefail
cd "$(dirname "$0")/../.."

keep=${1:-}
work=${DROVER_DEPLOY_WORK:-/var/tmp/drover-deploy}
project=drover-proof
mkdir -p "$work"
export CONTAINERS_CONF=$work/containers.conf

step() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }

compose=("$work/venv/bin/podman-compose" --env-file "$work/env" -p "$project"
    -f docker-compose.yml -f tests/deploy/compose.proof.yml)

install_tools() {
    local packages=(podman runc debootstrap catatonit netavark aardvark-dns iptables)
    if ! dpkg --status "${packages[@]}" > /dev/null 2>&1; then
        apt-get update -q > /dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}" \
            > "$work/apt.log" 2>&1
    fi
    if [ ! -x "$work/venv/bin/podman-compose" ]; then
        python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q podman-compose 2> "$work/pip.log"
    fi
    # Limits that every kernel and container host grants, whatever the machine's own are.
    cat > "$CONTAINERS_CONF" <<'EOF'
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
EOF
}

build_images() {
    tests/deploy/base.sh drover-base "$work/base"
    rm -rf "$work/context"
    mkdir "$work/context"
    cp -r tests/deploy/stand-ins tests/deploy/project requirements.lock "$work/context"
    local target
    for target in postgres redis minio nginx git scanner; do
        podman build -q --target "$target" -f "$work/context/stand-ins/Dockerfile" \
            -t "drover-stand-in-$target" "$work/context" >> "$work/build.log" 2>&1
    done
    "${compose[@]}" build >> "$work/build.log" 2>&1
}

write_settings() {
    rm -rf "$work/env" "$work/secrets"
    deploy/make-env "$work/env" "$work/secrets" > /dev/null
    cat >> "$work/env" <<EOF
DROVER_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BASE_IMAGE=localhost/drover-base
DROVER_IMAGES=localhost/drover
POSTGRES_IMAGE=localhost/drover-stand-in-postgres
REDIS_IMAGE=localhost/drover-stand-in-redis
MINIO_IMAGE=localhost/drover-stand-in-minio
MINIO_HEALTHCHECK=python3 -c 'import socket; socket.create_connection(("127.0.0.1", 9000), 3)'
NGINX_IMAGE=localhost/drover-stand-in-nginx
EOF
}

# What an earlier run left, or this one: containers (podman-compose does not take down what was scaled up),
# volumes with their data and passwords, networks.
remove_all() {
    local of=(--filter "label=io.podman.compose.project=$project")
    podman ps -aq "${of[@]}" | xargs -r podman rm -f -v
    podman volume ls -q | grep "^${project}_" | xargs -r podman volume rm -f
    podman network ls --format '{{.Name}}' | grep "^${project}_" | xargs -r podman network rm -f
}

take_down() {
    local status=$?
    if ((status != 0)); then
        "${compose[@]}" logs > "$work/containers.log" 2>&1 || true
        echo "failed; the containers' logs: $work/containers.log, the builds': $work/build.log" >&2
    fi
    if [ "$keep" = --keep ]; then return; fi
    remove_all > "$work/down.log" 2>&1 || true
}

step "tools"
install_tools
remove_all > "$work/down.log" 2>&1 || true
write_settings
: > "$work/build.log"
trap take_down EXIT
step "images"
build_images
step "start"
"$work/venv/bin/python" tests/deploy/start.py "$project" "${compose[@]}" 2>> "$work/up.log"
step "a job"
python3 tests/deploy/job.py "$work/env" "$work/secrets"
step "every service twice, and another job"
for service in api scheduler event-ingest log-store executor; do
    "${compose[@]}" up --detach --no-deps --no-recreate --scale "$service=2" "$service" >> "$work/up.log" 2>&1
    timeout 120 sh -c "until podman healthcheck run ${project}_${service}_2 > /dev/null 2>&1; do sleep 1; done"
done
podman ps --filter "label=io.podman.compose.project=$project" --format '   {{.Names}} {{.Status}} {{.Ports}}'
python3 tests/deploy/job.py "$work/env" "$work/secrets"
step "what is open, and what is well"
python3 tests/deploy/ports.py "$project"
podman exec "${project}_api_1" /opt/drover/bin/service check
# No service asked Redis for anything that its user may not.
operator=$(sed 's/@redis:/@127.0.0.1:/' "$work/secrets/redis-url-operator")
podman exec "${project}_redis_1" redis-cli --no-auth-warning -u "$operator" acl log | tee "$work/acl.log" >&2
[ -z "$(tr -d '[:space:]' < "$work/acl.log")" ]
step "done"
