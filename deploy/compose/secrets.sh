#!/bin/sh
# secrets.sh [FOLDER]: makes every secret of the mesh that is missing, each in a file of its own; those
# that there are stay. The folder can be entered by its owner alone. The files in it can be read by
# everybody who is let in: in a container, each is seen by the user that the process there runs as.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random() { # 32 random bytes in base64url, which fits into a URL
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

keep() { # keep NAME VALUE
    if [ ! -e "$folder/$1" ]; then
        printf '%s\n' "$2" >"$folder/$1.new"
        chmod 444 "$folder/$1.new"
        mv "$folder/$1.new" "$folder/$1"
        echo "made: $1"
    fi
}

keep mysql_root_password "$(random)"
keep mongo_root_password "$(random)"
keep user_database_url "mysql://user_svc:$(random)@mysql:3306/users"
keep allocation_database_url "mysql://allocation_svc:$(random)@mysql:3306/allocations"
keep notifier_database_url "mysql://notifier:$(random)@mysql:3306/notifications"
keep machines_database_url "mongodb://machines_svc:$(random)@mongo:27017/machines"
keep broker_database_url "mongodb://broker:$(random)@mongo:27017/broker"
keep feed_database_url "cassandra://cassandra:9042/feed"
keep cache_url "redis://:$(random)@redis:6379/0"
keep service_secret "$(random)"
keep vault_key "$(random)"
# Mails are files, until this is a mail server: smtp://user:password@host:587
keep mail_url file:///mailbox
# Text messages are files, until this is a gateway: twilio://SID:token@api.twilio.com
keep sms_url file:///mailbox/sms
