// Makes a user for each service, when the server is set up: what their URLs say.
const { readFileSync } = require("fs");

for (const name of ["machines", "broker"]) {
  const url = new URL(readFileSync(`/run/secrets/${name}_database_url`, "utf8").trim());
  const database = url.pathname.slice(1);
  db.getSiblingDB(database).createUser({
    user: url.username,
    pwd: url.password,
    roles: [{ role: "readWrite", db: database }],
  });
}
