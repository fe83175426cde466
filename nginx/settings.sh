#!/bin/sh
# Writes the settings of the edge, read from the environment, as configuration of nginx into EDGE_RUN.
# What they are is at the head of entrypoint.sh. All mistakes are said at once.
set -eu

: "${EDGE_NAMES:=}" "${EDGE_HTTPS_PORT:=8443}" "${EDGE_HTTP_PORT:=8080}" "${EDGE_PUBLIC_PORT:=443}"
: "${EDGE_CERTIFICATE:=/public/cert.pem}" "${EDGE_CERTIFICATE_KEY:=/public/key.pem}"
: "${EDGE_TRUSTED_PROXIES:=}"
: "${EDGE_REQUESTS_PER_SECOND:=200}" "${EDGE_REQUESTS_AT_ONCE:=1000}" "${EDGE_CONNECTIONS:=1000}"
: "${EDGE_BODY_BYTES:=1048576}" "${EDGE_HEAD_SECONDS:=15}" "${EDGE_IDLE_SECONDS:=15}"
: "${EDGE_CALL_SECONDS:=65}" "${EDGE_STREAM_SECONDS:=3600}" "${EDGE_SHUTDOWN_SECONDS:=3600}"
: "${EDGE_HSTS_SECONDS:=0}" "${EDGE_ACCESS_LOG:=yes}" "${EDGE_WORKERS:=auto}"
: "${EDGE_WORKER_CONNECTIONS:=8192}" "${EDGE_RESOLVE_SECONDS:=2}"

wrong=0
complain() {
    echo "edge: $*" >&2
    wrong=1
}

number() { # number NAME VALUE LEAST MOST
    case $2 in
        '' | *[!0-9]* | ?????????????*) complain "$1 is a whole number from $3 to $4, not '$2'" ;;
        *) if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then complain "$1 is from $3 to $4, not $2"; fi ;;
    esac
}
number EDGE_HTTPS_PORT "$EDGE_HTTPS_PORT" 1 65535
number EDGE_HTTP_PORT "$EDGE_HTTP_PORT" 1 65535
number EDGE_PUBLIC_PORT "$EDGE_PUBLIC_PORT" 1 65535
number EDGE_REQUESTS_PER_SECOND "$EDGE_REQUESTS_PER_SECOND" 1 1000000
number EDGE_REQUESTS_AT_ONCE "$EDGE_REQUESTS_AT_ONCE" 1 1000000
number EDGE_CONNECTIONS "$EDGE_CONNECTIONS" 1 65535
number EDGE_BODY_BYTES "$EDGE_BODY_BYTES" 1024 1073741824
number EDGE_HEAD_SECONDS "$EDGE_HEAD_SECONDS" 1 3600
number EDGE_IDLE_SECONDS "$EDGE_IDLE_SECONDS" 1 3600
number EDGE_CALL_SECONDS "$EDGE_CALL_SECONDS" 1 3600
number EDGE_STREAM_SECONDS "$EDGE_STREAM_SECONDS" 30 604800
number EDGE_SHUTDOWN_SECONDS "$EDGE_SHUTDOWN_SECONDS" 1 604800
number EDGE_HSTS_SECONDS "$EDGE_HSTS_SECONDS" 0 1000000000
number EDGE_WORKER_CONNECTIONS "$EDGE_WORKER_CONNECTIONS" 64 1000000
number EDGE_RESOLVE_SECONDS "$EDGE_RESOLVE_SECONDS" 1 3600
[ "$EDGE_WORKERS" = auto ] || number EDGE_WORKERS "$EDGE_WORKERS" 1 256
case $EDGE_ACCESS_LOG in yes | no) ;; *) complain "EDGE_ACCESS_LOG is yes or no" ;; esac
case $EDGE_NAMES in *[!A-Za-z0-9.,*-]*) complain "EDGE_NAMES are host names, joined by commas" ;; esac
case $EDGE_TRUSTED_PROXIES in
    *[!0-9A-Fa-f.:/,]*) complain "EDGE_TRUSTED_PROXIES are addresses or networks, joined by commas" ;;
esac
for name in ca.pem cert.pem key.pem; do
    [ -r "$EDGE_MESH_TLS/$name" ] || complain "$EDGE_MESH_TLS/$name cannot be read: EDGE_MESH_TLS names its folder"
done
for name in "$EDGE_CERTIFICATE" "$EDGE_CERTIFICATE_KEY"; do
    [ -r "$name" ] || complain "'$name' cannot be read: EDGE_CERTIFICATE and EDGE_CERTIFICATE_KEY name files"
done
[ "$wrong" = 0 ] || exit 1

mkdir -p "$EDGE_RUN"
cd "$EDGE_RUN"
rm -f known complete
# Not cp -p: the owner is us.
cp "$EDGE_HOME"/*.conf .
ln -sfn "$EDGE_HOME/web" web
ln -sfn "$EDGE_HOME/site" site
ln -sfn "$EDGE_MESH_TLS" mesh
ln -sfn "$EDGE_CERTIFICATE" public-cert.pem
ln -sfn "$EDGE_CERTIFICATE_KEY" public-key.pem

# From 1.25.1 on HTTP/2 is a directive of its own.
h2='' on=' http2'
version=$(nginx -v 2>&1 | sed -n 's|.*nginx/\([0-9]*\)\.\([0-9]*\)\..*|\1 \2|p')
if [ "${version% *}" -gt 1 ] || [ "${version#* }" -gt 25 ]; then h2='http2 on;' on=''; fi
family() { # family PORT OPTIONS: for each family that the machine has
    echo "listen $1$2 backlog=4096;"
    [ ! -e /proc/net/if_inet6 ] || echo "listen [::]:$1$2 backlog=4096 ipv6only=on;"
}
others() { sed 's/ backlog=[0-9]*//; s/ ipv6only=on//; s/;$/ default_server;/'; }
# Where there is one port of a family, its options are said once.
family "$EDGE_HTTP_PORT" '' >listen-http.conf
{
    family "$EDGE_HTTPS_PORT" " ssl$on"
    echo "$h2"
} >listen-https.conf
: >names.conf
: >other-names.conf
if [ -n "$EDGE_NAMES" ]; then
    echo "server_name $(echo "$EDGE_NAMES" | tr ',' ' ');" >names.conf
    {
        echo 'server {'
        family "$EDGE_HTTPS_PORT" " ssl$on" | others
        echo "$h2"
        echo 'include public-headers.conf;'
        echo 'include refusals.conf;'
        echo 'location = /livez { access_log off; default_type text/plain; return 200 "ok\n"; }'
        echo 'location / { return 403; }'
        echo '}'
    } >other-names.conf
fi

{
    # As root, workers would become somebody who cannot read our folder.
    [ "$(id -u)" != 0 ] || echo 'user root;'
    echo "worker_processes $EDGE_WORKERS;"
    echo "worker_shutdown_timeout ${EDGE_SHUTDOWN_SECONDS}s;"
    echo "events { worker_connections $EDGE_WORKER_CONNECTIONS; }"
} >main.conf

port=
[ "$EDGE_PUBLIC_PORT" = 443 ] || port=:$EDGE_PUBLIC_PORT
hsts=
[ "$EDGE_HSTS_SECONDS" = 0 ] || hsts="max-age=$EDGE_HSTS_SECONDS"
{
    echo "map \$host \$edge_public_port { default '$port'; }"
    echo "map \$host \$edge_hsts { default '$hsts'; }"
    echo "client_max_body_size $EDGE_BODY_BYTES;"
    echo "client_header_timeout ${EDGE_HEAD_SECONDS}s;"
    echo "client_body_timeout ${EDGE_IDLE_SECONDS}s;"
    echo "send_timeout ${EDGE_IDLE_SECONDS}s;"
    echo "proxy_read_timeout ${EDGE_CALL_SECONDS}s;"
    echo "proxy_send_timeout ${EDGE_IDLE_SECONDS}s;"
    echo "grpc_read_timeout ${EDGE_CALL_SECONDS}s;"
    echo "grpc_send_timeout ${EDGE_IDLE_SECONDS}s;"
    echo "limit_req_zone \$binary_remote_addr zone=requests:10m rate=${EDGE_REQUESTS_PER_SECOND}r/s;"
    echo "limit_req zone=requests burst=$EDGE_REQUESTS_AT_ONCE nodelay;"
    echo 'limit_req_status 429;'
    echo 'limit_req_log_level info;'
    echo 'limit_conn_zone $binary_remote_addr zone=connections:10m;'
    echo "limit_conn connections $EDGE_CONNECTIONS;"
    echo 'limit_conn_status 429;'
    echo 'limit_conn_log_level info;'
    if [ "$EDGE_ACCESS_LOG" = yes ]; then
        echo 'access_log /dev/stdout edge buffer=32k flush=1s;'
    else
        echo 'access_log off;'
    fi
    if [ -n "$EDGE_TRUSTED_PROXIES" ]; then
        echo "$EDGE_TRUSTED_PROXIES" | tr ',' '\n' | while read -r one; do
            [ -z "$one" ] || echo "set_real_ip_from $one;"
        done
        echo 'real_ip_header X-Forwarded-For;'
        echo 'real_ip_recursive on;'
    fi
} >http.conf

{
    echo "proxy_read_timeout ${EDGE_STREAM_SECONDS}s;"
    echo "proxy_send_timeout ${EDGE_STREAM_SECONDS}s;"
    echo "grpc_read_timeout ${EDGE_STREAM_SECONDS}s;"
    echo "grpc_send_timeout ${EDGE_STREAM_SECONDS}s;"
    echo 'proxy_buffering off;'
    echo 'gzip off;'
} >stream.conf
