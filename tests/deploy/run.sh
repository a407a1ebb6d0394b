#!/bin/bash
# Proves docker-compose.yml and deploy/Dockerfile where no image registry is reached: builds every image from
# Debian's and Python's packages, starts the whole composition with podman, runs real jobs, breaks it in each drill,
# and takes it down. Needs root on Debian bookworm.
# usage: tests/deploy/run.sh [--keep] [STEP…]   steps: jobs redis-lost restore failover upgrade reload; left out, all
# --keep leaves the composition running.
set -euo pipefail
cd "$(dirname "$0")/../.."

keep=
if [ "${1:-}" = --keep ]; then
    keep=--keep
    shift
fi
steps=("${@:-all}")
work=${DROVER_DEPLOY_WORK:-/var/tmp/drover-deploy}
project=drover-proof
mkdir -p "$work"
export CONTAINERS_CONF=$work/containers.conf

step() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }

compose=("$work/venv/bin/podman-compose" --env-file "$work/env" -p "$project"
    -f docker-compose.yml -f docker-compose.tls.yml -f tests/deploy/compose.proof.yml)
ours=(api scheduler event-ingest log-store executor)
running=

wanted() { [[ " ${steps[*]} " == *" all "* || " ${steps[*]} " == *" $1 "* ]]; }

python() { PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/python" "$@"; }

job() { python -m deploy.job "$work/env" "$work/secrets"; }

drill() { # NAME: on what runs now
    python -m deploy.drills "$1" "$work" "$project" "${compose[@]}" 2>> "$work/up.log"
}

start() { # from nothing, with fresh secrets: start [LINE-OF-SETTINGS]
    remove_all > "$work/down.log" 2>&1 || true
    write_settings
    if [ $# -gt 0 ]; then echo "$1" >> "$work/env"; fi
    python -m deploy.start "$project" "${compose[@]}" 2>> "$work/up.log"
}

started() { # the composition runs, whatever steps there were before
    if [ -z "$running" ]; then
        step "start"
        start
        running=yes
    fi
}

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

# The release before, as far as the history tells: the newest tag, else the newest commit with a migration less.
previous_release() {
    git describe --tags --abbrev=0 2> /dev/null && return
    git log --diff-filter=A --format=%H~1 -1 -- shared/src/drover_shared/db/migrations/versions
}

build_previous() {
    local release service
    release=$(previous_release)
    echo "   from $(git log -1 --format='%h, "%s"' "$release")"
    rm -rf "$work/previous"
    mkdir "$work/previous"
    git archive "$release" | tar -x -C "$work/previous"
    for service in "${ours[@]}"; do
        podman build -q -f "$work/previous/deploy/Dockerfile" --build-arg BASE=localhost/drover-base \
            --build-arg "SERVICE=$service" -t "localhost/drover-$service:previous" "$work/previous" \
            >> "$work/build.log" 2>&1
    done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

write_settings() {
    rm -rf "$work/env" "$work/secrets"
    deploy/make-env "$work/env" "$work/secrets" > /dev/null
    if [[ " ${compose[*]} " == *compose.sentinel.yml* ]]; then # every service asks the Sentinel
        sed -i 's#^redis://\(.*\)@redis:6379/0#redis+sentinel://\1@sentinel:26379/0?master=drover#' \
            "$work"/secrets/redis-url-{api,scheduler,event-ingest,log-store,executor,monitor}
    fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$work/secrets/tls-key" -out "$work/secrets/tls-certificate" \
        2> /dev/null
    chmod 0444 "$work"/secrets/tls-*
    cat >> "$work/env" <<EOF
DROVER_PORT=$(free_port)
DROVER_TLS_PORT=$(free_port)
DROVER_TLS_ADDRESS=127.0.0.1
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
        grep -v systemd "$work/up.log" | tail -n 5 >&2
        "${compose[@]}" logs > "$work/containers.log" 2>&1 || true
        echo "failed; the containers' logs: $work/containers.log, the builds': $work/build.log" >&2
    fi
    if [ "$keep" = --keep ]; then return; fi
    remove_all > "$work/down.log" 2>&1 || true
}

step "tools"
install_tools
write_settings
: > "$work/build.log"
: > "$work/up.log"
trap take_down EXIT
step "images"
build_images

if wanted jobs; then
    started
    step "a job"
    job
    step "every service twice, and another job"
    for service in "${ours[@]}"; do
        "${compose[@]}" up --detach --no-deps --no-recreate --scale "$service=2" "$service" >> "$work/up.log" 2>&1
        timeout 120 sh -c "until podman healthcheck run ${project}_${service}_2 > /dev/null 2>&1; do sleep 1; done"
    done
    podman ps --filter "label=io.podman.compose.project=$project" --format '   {{.Names}} {{.Status}} {{.Ports}}'
    job
    step "what is open, and what is well"
    python -m deploy.ports "$project" 2>> "$work/up.log"
    podman exec "${project}_api_1" /opt/drover/bin/service check
    # No service asked Redis for anything that its user may not.
    operator=$(sed 's/@redis:/@127.0.0.1:/' "$work/secrets/redis-url-operator")
    podman exec "${project}_redis_1" redis-cli --no-auth-warning -u "$operator" acl log | tee "$work/acl.log" >&2
    [ -z "$(tr -d '[:space:]' < "$work/acl.log")" ]
fi
if wanted redis-lost; then
    started
    step "a drill: Redis is lost with its memory"
    drill redis-lost
fi
if wanted restore; then
    started
    step "a drill: every server's data is lost, and restored"
    drill restore
fi
if wanted failover; then
    step "a drill: Redis behind a Sentinel fails over"
    plain=("${compose[@]}")
    compose+=(-f tests/deploy/compose.sentinel.yml)
    start
    drill failover
    compose=("${plain[@]}")
fi
if wanted upgrade; then
    step "images of the release before"
    build_previous
    step "a drill: the upgrade under a running job"
    start DROVER_TAG=previous
    drill upgrade
fi
if wanted reload; then
    step "images for work on the code"
    rm -rf "$work/dev"
    mkdir "$work/dev"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/dev"
    plain=("${compose[@]}")
    compose=("${compose[@]:0:5}" -f "$work/dev/docker-compose.yml" -f "$work/dev/docker-compose.dev.yml"
        -f "$work/dev/tests/deploy/compose.proof.yml")
    "${compose[@]}" build >> "$work/build.log" 2>&1
    start
    step "a drill: changed code runs at once"
    drill reload
    compose=("${plain[@]}")
fi
step "done"
