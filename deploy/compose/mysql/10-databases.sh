#!/bin/bash
# Makes a database and its user for each service, when the server is set up: what their URLs say.
set -euo pipefail
for name in user allocation notifier; do
    url=$(</run/secrets/${name}_database_url)
    user=${url#mysql://} user=${user%%:*}
    password=${url#*"$user":} password=${password%%@*}
    database=${url##*/}
    cat <<SQL
CREATE DATABASE IF NOT EXISTS \`$database\` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '$user'@'%' IDENTIFIED BY '$password';
GRANT ALL ON \`$database\`.* TO '$user'@'%';
SQL
done | MYSQL_PWD=$(</run/secrets/mysql_root_password) mysql --protocol=socket --user=root
