#!/bin/sh
# Looks where the replicas of the services are and writes upstreams.conf into EDGE_RUN; exits with 0
# where it, or a certificate, has changed since the last look, so that nginx has to be told.
#
# A replica that was not there before is taken once its /readyz says so: one that has just started does
# not answer well yet. One that is there stays until its name no longer leads to it; meanwhile nginx asks
# the next one where it does not answer.
#
# Once there is a replica of each service, the file `known` is there. When nginx has taken that, it becomes
# `complete`, for /readyz: whoever waits until everything is well shall not be told then that one is away.
set -eu

: "${EDGE_PEERS:=}" "${EDGE_PEER_HTTP_PORT:=8080}" "${EDGE_PEER_GRPC_PORT:=50051}"
cd "$EDGE_RUN"
touch admitted

addresses() { # addresses NAME: each IPv4 address that the name has
    case $1 in
        *[!0-9.]*) ;;
        *) echo "$1" && return ;;
    esac
    # glibc's getent lists all; musl's knows no ahostsv4, but there busybox has nslookup.
    if found=$(getent ahostsv4 "$1" 2>/dev/null); then
        echo "$found" | awk '{ print $1 }' | sort -u
    elif command -v nslookup >/dev/null 2>&1; then
        nslookup "$1" 2>/dev/null |
            awk '/^Name:/ { named = 1 } named && /^Address/ { print $NF }' | grep -v : | sort -u || true
    fi
}

places() { # places SERVICE: a line `address http-port grpc-port` for each replica
    given=
    for one in $EDGE_PEERS; do
        case $one in "$1"=*) given=${one#*=} ;; esac
    done
    for place in $(echo "${given:-$1:$EDGE_PEER_HTTP_PORT:$EDGE_PEER_GRPC_PORT}" | tr ',' ' '); do
        ports=${place#*:}
        for address in $(addresses "${place%%:*}"); do
            echo "$address ${ports%:*} ${ports#*:}"
        done
    done
}

is_ready() { # is_ready SERVICE ADDRESS PORT
    grep -qF "$1 $2 $3 " admitted && return
    # While it starts it refuses connections, which costs little to find out.
    if command -v nc >/dev/null && ! nc -z -w 1 "$2" "$3" 2>/dev/null; then return 1; fi
    # Without curl nobody can be asked; nginx finds out.
    command -v curl >/dev/null || return 0
    curl --silent --fail --max-time 1 --output /dev/null --resolve "$1:$3:$2" \
        --cacert mesh/ca.pem --cert mesh/cert.pem --key mesh/key.pem "https://$1:$3/readyz"
}

upstream() { # upstream NAME PLACES
    echo "upstream $1 {"
    if [ -z "$2" ]; then
        # Nobody: the discard port, never tried.
        echo '    server 127.0.0.1:9 down;'
    else
        for at in $2; do echo "    server $at max_fails=2 fail_timeout=3s;"; done
        # Where none was reached a moment ago, one may be back already: better asked again than nobody.
        for at in $2; do echo "    server $at backup max_fails=0;"; done
    fi
    # Services keep a connection that says nothing for 75 s.
    echo '    keepalive 64;'
    echo '    keepalive_timeout 60s;'
    echo '    keepalive_requests 100000;'
    echo '}'
}

: >admitted.new
: >upstreams.new
nobody=
for service in $(sed -n 's/.*_ssl_name \([a-z_]*\);.*/\1/p' routes.conf | sort -u); do
    http='' grpc=''
    found=$(places "$service")
    if [ -z "$found" ] && grep -q "^$service " admitted && [ ! -e "missed.$service" ]; then
        # Once may be a resolver that was busy.
        touch "missed.$service"
        found=$(sed -n "s/^$service //p" admitted)
    elif [ -n "$found" ]; then
        rm -f "missed.$service"
    fi
    while read -r address http_port grpc_port; do
        [ -n "$address" ] || continue
        if is_ready "$service" "$address" "$http_port"; then
            echo "$service $address $http_port $grpc_port" >>admitted.new
            http="$http $address:$http_port" grpc="$grpc $address:$grpc_port"
        fi
    done <<PLACES
$found
PLACES
    [ -n "$http" ] || nobody=yes
    {
        upstream "${service}_http" "$http"
        upstream "${service}_grpc" "$grpc"
    } >>upstreams.new
done
# A renewed certificate is read when nginx is told to look again.
{
    echo '#'
    cksum public-cert.pem mesh/ca.pem mesh/cert.pem | sed 's/^/# /'
} >>upstreams.new

mv admitted.new admitted
[ -n "$nobody" ] || [ -e complete ] || echo ok >known
if [ -e upstreams.conf ] && cmp -s upstreams.new upstreams.conf; then
    exit 1
fi
mv upstreams.new upstreams.conf
