"""What a keyspace of Cassandra takes: a session, migrations, leases, an outbox."""
