# Sets the database up once, as POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB say; then serves it.
set -eu
if [ "$(id -u)" = 0 ]; then
  exec setpriv --reuid postgres --regid postgres --clear-groups sh "$0" "$@"
fi
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
  password=$(mktemp)
  printf %s "$POSTGRES_PASSWORD" > "$password"
  initdb --pgdata "$data" --username "$POSTGRES_USER" --pwfile "$password" \
    --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8 > /dev/null
  rm "$password"
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$data" postgres > /dev/null
fi
exec postgres -D "$data" -c listen_addresses='*'
