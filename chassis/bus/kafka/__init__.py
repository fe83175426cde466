"""The bus over Kafka: opened by `chassis.bus.open_bus`, and imported only then."""
