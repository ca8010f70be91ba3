"""Events: one interface, in memory, in Redis Streams or in Kafka, and the outbox that feeds it."""
