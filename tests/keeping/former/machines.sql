BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE machine_versions (
	uid VARCHAR(36) NOT NULL, 
	version BIGINT NOT NULL, 
	document TEXT(16777215) NOT NULL, 
	PRIMARY KEY (uid, version)
);
INSERT INTO "machine_versions" VALUES('166be3ba-09fd-4a48-8c4b-7171df8fb946',1,'{"create_time":1795247823086,"name":"machines/greeter","publisher":"users/6hkxh9bu7v7d","spec":{"command":["python3","-c","import os, signal, socketserver, sys\nclass Echo(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(f\"{os.environ[''GREETING'']} {os.environ[''PASSWORD'']}\\n\".encode())\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nat = (os.environ[\"ALLOCATOR_BIND_ADDRESS\"], int(os.environ[\"PORT\"]))\nprint(\"greets with\", os.environ[\"GREETING\"], flush=True)\nsocketserver.TCPServer.allow_reuse_address = True\nsocketserver.TCPServer(at, Echo).serve_forever()\n"],"description":"Says its greeting and its password.","image":"python:3.11-slim","ports":[{"number":7000,"protocol":"TCP","scheme":"","title":"greeting"}],"probe":{"tcp":{"port":0},"timeout":30000000},"resource_class":"nano","stop_grace":5000000,"title":"Greeter","variables":[{"choices":[],"default_value":"","description":"","key":"GREETING","pattern":"","required":true,"secret":false,"title":"Greeting"},{"choices":[],"default_value":"","description":"","key":"PASSWORD","pattern":"","required":false,"secret":true,"title":"Password"}]},"state":"DRAFT","uid":"166be3ba-09fd-4a48-8c4b-7171df8fb946","update_time":1795247823086,"version":1}');
INSERT INTO "machine_versions" VALUES('166be3ba-09fd-4a48-8c4b-7171df8fb946',2,'{"create_time":1795247823086,"name":"machines/greeter","publisher":"users/6hkxh9bu7v7d","spec":{"command":["python3","-c","import os, signal, socketserver, sys\nclass Echo(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(f\"{os.environ[''GREETING'']} {os.environ[''PASSWORD'']}\\n\".encode())\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nat = (os.environ[\"ALLOCATOR_BIND_ADDRESS\"], int(os.environ[\"PORT\"]))\nprint(\"greets with\", os.environ[\"GREETING\"], flush=True)\nsocketserver.TCPServer.allow_reuse_address = True\nsocketserver.TCPServer(at, Echo).serve_forever()\n"],"description":"Says its greeting and its password.","image":"python:3.11-slim","ports":[{"number":7000,"protocol":"TCP","scheme":"","title":"greeting"}],"probe":{"tcp":{"port":0},"timeout":30000000},"resource_class":"nano","stop_grace":5000000,"title":"Greeter","variables":[{"choices":[],"default_value":"","description":"","key":"GREETING","pattern":"","required":true,"secret":false,"title":"Greeting"},{"choices":[],"default_value":"","description":"","key":"PASSWORD","pattern":"","required":false,"secret":true,"title":"Password"}]},"state":"ACTIVE","uid":"166be3ba-09fd-4a48-8c4b-7171df8fb946","update_time":1795247823094,"version":2}');
CREATE TABLE machines (
	name VARCHAR(80) NOT NULL, 
	uid VARCHAR(36) NOT NULL, 
	version BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	title_folded VARCHAR(320) NOT NULL, 
	image_folded VARCHAR(512) NOT NULL, 
	image VARCHAR(255) NOT NULL, 
	resource_class VARCHAR(31) NOT NULL, 
	publisher VARCHAR(80) NOT NULL, 
	create_time BIGINT NOT NULL, 
	update_time BIGINT NOT NULL, 
	document TEXT(16777215) NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "machines" VALUES('machines/greeter','166be3ba-09fd-4a48-8c4b-7171df8fb946',2,'ACTIVE','greeter','python:3.11-slim','python:3.11-slim','nano','users/6hkxh9bu7v7d',1795247823086,1795247823094,'{"create_time":1795247823086,"name":"machines/greeter","publisher":"users/6hkxh9bu7v7d","spec":{"command":["python3","-c","import os, signal, socketserver, sys\nclass Echo(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(f\"{os.environ[''GREETING'']} {os.environ[''PASSWORD'']}\\n\".encode())\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nat = (os.environ[\"ALLOCATOR_BIND_ADDRESS\"], int(os.environ[\"PORT\"]))\nprint(\"greets with\", os.environ[\"GREETING\"], flush=True)\nsocketserver.TCPServer.allow_reuse_address = True\nsocketserver.TCPServer(at, Echo).serve_forever()\n"],"description":"Says its greeting and its password.","image":"python:3.11-slim","ports":[{"number":7000,"protocol":"TCP","scheme":"","title":"greeting"}],"probe":{"tcp":{"port":0},"timeout":30000000},"resource_class":"nano","stop_grace":5000000,"title":"Greeter","variables":[{"choices":[],"default_value":"","description":"","key":"GREETING","pattern":"","required":true,"secret":false,"title":"Greeting"},{"choices":[],"default_value":"","description":"","key":"PASSWORD","pattern":"","required":false,"secret":true,"title":"Password"}]},"state":"ACTIVE","uid":"166be3ba-09fd-4a48-8c4b-7171df8fb946","update_time":1795247823094,"version":2}');
CREATE TABLE marks (
	name VARCHAR(40) NOT NULL, 
	note TEXT NOT NULL, 
	time BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE once (
	caller VARCHAR(100) NOT NULL, 
	method VARCHAR(100) NOT NULL, 
	request_id VARCHAR(64) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	answer TEXT(16777215) NOT NULL, 
	time BIGINT NOT NULL, 
	PRIMARY KEY (caller, method, request_id)
);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	topic VARCHAR(200) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value BLOB NOT NULL, 
	headers TEXT(16777215) NOT NULL, 
	time BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX machines_by_title ON machines (state, title_folded, name);
CREATE INDEX once_by_time ON once (time);
COMMIT;
