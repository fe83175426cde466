BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE allocations (
	name VARCHAR(48) NOT NULL, 
	owner VARCHAR(80) NOT NULL, 
	machine VARCHAR(80) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	desired_state VARCHAR(16) NOT NULL, 
	live SMALLINT NOT NULL, 
	version BIGINT NOT NULL, 
	create_time BIGINT NOT NULL, 
	document TEXT(16777215) NOT NULL, 
	"plan" TEXT(16777215) NOT NULL, 
	sealed_secrets BLOB NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "allocations" VALUES('allocations/wmntuzy7','users/2ozr2i6t66vi','machines/greeter','STOPPED','STOPPED',1,6,1795247823152,'{"after_incarnation":0,"asked":false,"create_time":1795247823152,"deadline":null,"delete_time":null,"desired":"STOPPED","display_name":"Greeter","endpoints":[["127.0.0.1",20181,"TCP",7000,"greeting",""]],"first_ready_time":1795247823333,"generation":1,"incarnation":1,"labels":{},"last_known":null,"machine":"machines/greeter","machine_title":"Greeter","machine_version":2,"name":"allocations/wmntuzy7","node":"vm","observed_time":1795247823372,"owner":"users/2ozr2i6t66vi","port_tries":0,"probe_seconds":30.0,"progress":"","reason":{"exit_code":0,"last_lines":[],"message":"Its owner stopped it; start it when you need it.","out_of_memory":false,"reason":"STOPPED_BY_OWNER"},"recreated":[],"resource_class":"nano","state":"STOPPED","state_time":1795247823373,"stop_grace_seconds":5.0,"uid":"43cf1575-8dc5-496a-8bfd-d5a676bcca69","update_time":1795247823373,"variables":[["GREETING","hello",false],["PASSWORD","",true]],"version":6}','{"command":["python3","-c","import os, signal, socketserver, sys\nclass Echo(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(f\"{os.environ[''GREETING'']} {os.environ[''PASSWORD'']}\\n\".encode())\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nat = (os.environ[\"ALLOCATOR_BIND_ADDRESS\"], int(os.environ[\"PORT\"]))\nprint(\"greets with\", os.environ[\"GREETING\"], flush=True)\nsocketserver.TCPServer.allow_reuse_address = True\nsocketserver.TCPServer(at, Echo).serve_forever()\n"],"http_path":"","http_port":0,"image":"python:3.11-slim","limits":[250,134217728,64],"log_pattern":"","probe_seconds":30.0,"run_as":"","stop_grace_seconds":5.0,"tcp_port":7000}',X'07DB6C10650EFB1F77562BA8751D0958CFC1E52F17448997276D4A4950554CBDA898C922F88BB29AF0A5FDADC308E9EBD7D384F4EB');
INSERT INTO "allocations" VALUES('allocations/vfa246bh','users/2ozr2i6t66vi','machines/greeter','DELETED','DELETED',0,6,1795247823391,'{"after_incarnation":0,"asked":false,"create_time":1795247823391,"deadline":null,"delete_time":1795247823584,"desired":"DELETED","display_name":"Greeter","endpoints":[["127.0.0.1",20163,"TCP",7000,"greeting",""]],"first_ready_time":1795247823525,"generation":1,"incarnation":1,"labels":{},"last_known":null,"machine":"machines/greeter","machine_title":"Greeter","machine_version":2,"name":"allocations/vfa246bh","node":"vm","observed_time":1795247823524,"owner":"users/2ozr2i6t66vi","port_tries":0,"probe_seconds":30.0,"progress":"","reason":{"exit_code":null,"last_lines":[],"message":"Its owner removed it.","out_of_memory":false,"reason":"REMOVED_BY_OWNER"},"recreated":[],"resource_class":"nano","state":"DELETED","state_time":1795247823584,"stop_grace_seconds":5.0,"uid":"53813fab-6f85-46e9-8d5d-f77da031b43c","update_time":1795247823584,"variables":[["GREETING","bye",false],["PASSWORD","",true]],"version":6}','{"command":["python3","-c","import os, signal, socketserver, sys\nclass Echo(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(f\"{os.environ[''GREETING'']} {os.environ[''PASSWORD'']}\\n\".encode())\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nat = (os.environ[\"ALLOCATOR_BIND_ADDRESS\"], int(os.environ[\"PORT\"]))\nprint(\"greets with\", os.environ[\"GREETING\"], flush=True)\nsocketserver.TCPServer.allow_reuse_address = True\nsocketserver.TCPServer(at, Echo).serve_forever()\n"],"http_path":"","http_port":0,"image":"python:3.11-slim","limits":[250,134217728,64],"log_pattern":"","probe_seconds":30.0,"run_as":"","stop_grace_seconds":5.0,"tcp_port":7000}',X'31CD8E780DD05BAAA989022D30719D9E24FF6B4DB1018573669D5F277DBD3536DBCF3ACE25B94FC3D70B861CD296A34DCB272BAFFE');
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
CREATE TABLE port_leases (
	node VARCHAR(255) NOT NULL, 
	protocol VARCHAR(8) NOT NULL, 
	port INTEGER NOT NULL, 
	allocation VARCHAR(48) NOT NULL, 
	free_time BIGINT, 
	PRIMARY KEY (node, protocol, port)
);
INSERT INTO "port_leases" VALUES('vm','TCP',20181,'allocations/wmntuzy7',NULL);
INSERT INTO "port_leases" VALUES('vm','TCP',20163,'',1795247883584);
CREATE TABLE tallies (
	subject VARCHAR(120) NOT NULL, 
	used INTEGER NOT NULL, 
	PRIMARY KEY (subject)
);
INSERT INTO "tallies" VALUES('users/2ozr2i6t66vi',1);
INSERT INTO "tallies" VALUES('machines/greeter',1);
CREATE INDEX allocations_of_owner ON allocations (owner, live, create_time, name);
CREATE INDEX allocations_by_time ON allocations (live, create_time, name);
CREATE INDEX allocations_by_name ON allocations (live, name);
CREATE INDEX port_leases_of_allocation ON port_leases (allocation);
CREATE INDEX once_by_time ON once (time);
COMMIT;
