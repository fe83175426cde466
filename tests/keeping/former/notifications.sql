BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE deliveries (
	id VARCHAR(36) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	content BLOB, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	lease VARCHAR(36) NOT NULL, 
	accept_time BIGINT NOT NULL, 
	due_time BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "deliveries" VALUES('9d76bb36-9bcc-49ab-84b2-6c82b588d33b','ada@example.org',NULL,'SENT',1,'',1795247823114,NULL);
CREATE INDEX deliveries_by_due_time ON deliveries (due_time);
CREATE INDEX deliveries_by_accept_time ON deliveries (accept_time);
COMMIT;
