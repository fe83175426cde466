#!/bin/sh
# Runs the one node, at the address that the container has.
set -eu
address=$(hostname -i | cut -d' ' -f1)
sed "s/ADDRESS/$address/" /opt/cassandra/cassandra.yaml >/tmp/cassandra.yaml
exec java "-Xms${MAX_HEAP_SIZE:-384M}" "-Xmx${MAX_HEAP_SIZE:-384M}" @/opt/cassandra/jvm.options \
    -javaagent:"$(echo /opt/cassandra/jars/jamm-*.jar)" \
    -Dcassandra.config=file:/tmp/cassandra.yaml -Dcassandra.storagedir=/var/lib/cassandra \
    -Dlogback.configurationFile=/opt/cassandra/logback.xml -Dcassandra-foreground=yes \
    -cp '/opt/cassandra/jars/*' org.apache.cassandra.service.CassandraDaemon
