-- The role that the service works as, made when the server's data is; read by psql.
-- What it may do is granted to its group by the migrations. The group is the cluster's, so it may be there already.

\set ON_ERROR_STOP on
\set password `cat /run/secrets/application_password`

SELECT 'CREATE ROLE customers_app NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'customers_app')
\gexec

CREATE ROLE customers_api LOGIN PASSWORD :'password' IN ROLE customers_app;
