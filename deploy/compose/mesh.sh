#!/bin/sh
# mesh.sh: the mesh of docker-compose.yml, from nothing.
#
#   mesh.sh image                 builds the images
#   mesh.sh up [ARGUMENT…]        builds what is missing, makes secrets, starts everything, waits until it
#                                 is well, says where it is; arguments are docker compose's: --scale user_svc=3
#   mesh.sh down                  stops and removes it; what is kept stays
#   mesh.sh clean                 the same, and removes what is kept, instances and secrets too
#   mesh.sh admin                 shows the first admin's e-mail and password
#   mesh.sh ca                    shows the certificate of the mesh's authority
#   mesh.sh compose ARGUMENT…     docker compose with the files and settings of the mesh
set -eu
cd "$(dirname "$0")/../.."

# Settings: .env, which compose reads too, below the environment.
setting() { # setting NAME DEFAULT
    eval "given=\${$1:-}"
    if [ -z "$given" ] && [ -f .env ]; then
        given=$(sed -n "s/^$1=//p" .env | tail -n 1)
    fi
    echo "${given:-$2}"
}

socket=$(setting DOCKER_SOCKET /var/run/docker.sock)
secrets=$(setting SECRETS ./deploy/compose/secrets)
services=$(setting SERVICES_IMAGE allocator/services:local)
edge=$(setting EDGE_IMAGE allocator/edge:local)
mongo=$(setting MONGO_IMAGE mongo:8.0)
if [ -z "${DOCKER_GID:-}" ]; then
    DOCKER_GID=$(stat -L -c %g "$socket" 2>/dev/null || stat -L -f %g "$socket" 2>/dev/null || echo 0)
fi
export DOCKER_GID

compose() {
    files='-f docker-compose.yml'
    if [ "$(docker image inspect --format '{{index .Config.Labels "allocator.stand-in"}}' "$mongo" 2>/dev/null)" = mongo ]; then
        files="$files -f deploy/compose/stand-ins/compose.yml"
    fi
    [ ! -f docker-compose.override.yml ] || files="$files -f docker-compose.override.yml"
    # Words are wanted.
    # shellcheck disable=SC2086
    docker compose $files "$@"
}

image() {
    docker build --tag "$services" --target services .
    docker build --tag "$edge" --target edge .
}

# Ports of instances are open to this machine alone, unless something else is set: at the address that is
# host.docker.internal in docker_svc, which sees them there.
where_instances_are() {
    INSTANCES_ADDRESS=$(setting INSTANCES_ADDRESS '') PUBLIC_HOST=$(setting PUBLIC_HOST '')
    if [ -z "$INSTANCES_ADDRESS" ] || [ -z "$PUBLIC_HOST" ]; then
        host=127.0.0.1
        if [ "$(uname)" = Linux ]; then
            host=$(docker run --rm --add-host here:host-gateway --entrypoint cat "$services" /etc/hosts |
                sed -n 's/^\([0-9.]*\)[[:space:]]*here$/\1/p' | head -n 1)
        fi
        : "${INSTANCES_ADDRESS:=${host:-127.0.0.1}}" "${PUBLIC_HOST:=${host:-127.0.0.1}}"
    fi
    export INSTANCES_ADDRESS PUBLIC_HOST
}

up() {
    docker image inspect "$services" "$edge" >/dev/null 2>&1 || image
    where_instances_are
    deploy/compose/stand-ins/build.sh
    deploy/compose/secrets.sh "$secrets"
    mkdir -p deploy/compose/own-certificates
    # Named, for the jobs have ended when everything is well.
    compose up --detach --wait --wait-timeout "$(setting WAIT_SECONDS 180)" "$@" $running || {
        compose ps --all
        echo "mesh: not everything is well; look at: deploy/compose/mesh.sh compose logs" >&2
        return 1
    }
    address=$(setting EDGE_ADDRESS 127.0.0.1)
    port=$(setting HTTPS_PORT 8443)
    name=$(setting EDGE_NAMES localhost)
    cat <<SAID

  The mesh is up.

  web page      https://${name%%,*}:$port  (published on $address)
  REST          https://${name%%,*}:$port/v1   reference: https://${name%%,*}:$port/docs
  gRPC          ${name%%,*}:$port, with TLS
  first admin   deploy/compose/mesh.sh admin
  authority     deploy/compose/mesh.sh ca > ca.pem   for clients, unless the certificates are your own

  make mesh-down ends it; what it keeps stays.

SAID
}

down() {
    # Networks are in use for a moment longer than the containers that used them.
    for pause in 1 2 4 8; do
        ! compose down --remove-orphans "$@" || return 0
        sleep "$pause"
    done
    compose down --remove-orphans "$@"
}

clean() {
    # What docker_svc has made on the engine carries the name of this installation.
    installation=$(compose run --rm --no-deps --entrypoint cat docker_svc /state/runtime.json 2>/dev/null |
        sed -n 's/.*"installation":"\([a-z0-9]*\)".*/\1/p') || true
    down --volumes "$@"
    if [ -n "$installation" ]; then
        mine="label=allocator.installation=$installation"
        docker ps --all --quiet --filter "$mine" | xargs -r docker rm --force --volumes >/dev/null
        docker network ls --quiet --filter "$mine" | xargs -r docker network rm >/dev/null
        docker volume ls --quiet --filter "$mine" | xargs -r docker volume rm >/dev/null
    fi
    rm -rf "$secrets"
}

running='user_svc machines_svc allocation_svc docker_svc interact_svc feed_svc broker notifier edge'

command=${1:-help}
[ $# = 0 ] || shift
case $command in
    image) image ;;
    up) up "$@" ;;
    down) down "$@" ;;
    clean) clean "$@" ;;
    admin) compose run --rm --no-deps --entrypoint cat migrate /admin/admin.json ;;
    ca) compose exec -T edge cat /public/ca.pem ;;
    compose)
        # What makes containers needs to know.
        case " $* " in *' up '* | *' create '* | *' run '*) where_instances_are ;; esac
        compose "$@"
        ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"
        [ "$command" = help ]
        ;;
esac
