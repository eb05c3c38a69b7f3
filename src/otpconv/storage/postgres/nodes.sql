-- The nodes and their leases. Times are milliseconds since the Unix epoch, UTC, by the clock of the database.

-- name: nodes_schema
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE
AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';

CREATE TABLE nodes (
    node uuid PRIMARY KEY,          -- random, of one run of a server
    name text NOT NULL,             -- host and port
    version text NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL,        -- when it last reported that it runs
    lag bigint NOT NULL             -- reports that it had acknowledged then and that were not in the ledger
) WITH (fillfactor = 10);

CREATE TABLE leases (
    name text PRIMARY KEY,
    node uuid NOT NULL,             -- who holds it, or held it last
    epoch bigint NOT NULL,          -- grows when it goes to another node
    until bigint NOT NULL           -- when it ends, unless it is renewed
) WITH (fillfactor = 10);

-- name: beat
INSERT INTO nodes AS n (node, name, version, started_at, seen_at, lag)
VALUES (CAST(:node AS text)::uuid, :name, :version, now_ms(), now_ms(), :lag)
ON CONFLICT (node) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at, lag = excluded.lag;

-- name: drop_dead_nodes
DELETE FROM nodes WHERE seen_at < now_ms() - :kept_ms
    OR name = :name AND node <> CAST(:node AS text)::uuid AND seen_at < now_ms() - :running_ms  -- before it was started again
    OR node IN (SELECT node FROM nodes ORDER BY seen_at DESC, node OFFSET :most);

-- name: take
-- A lease that ends later than any can is of a time when the clock of the database was ahead.
INSERT INTO leases AS l (name, node, epoch, until)
SELECT name, CAST(:node AS text)::uuid, 1, now_ms() + :lease_ms FROM unnest(CAST(:wanted AS text[])) AS w (name) ORDER BY name
ON CONFLICT (name) DO UPDATE
    SET node = excluded.node, until = excluded.until, epoch = l.epoch + (l.node <> excluded.node)::integer
    WHERE l.node = excluded.node OR l.until <= now_ms() OR l.until > now_ms() + :lease_ms
RETURNING name, epoch;

-- name: free
UPDATE leases SET until = 0
WHERE node = CAST(:node AS text)::uuid AND until > 0 AND name <> ALL (CAST(:wanted AS text[]));

-- name: end_stuck_appliers
-- A process that hangs may leave a transaction open that has locked the cursor: nobody else could apply the journal.
SELECT pg_terminate_backend(l.pid)
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.relation = to_regclass('cursors') AND l.mode IN ('RowShareLock', 'RowExclusiveLock') AND l.granted
    AND a.pid <> pg_backend_pid() AND a.datname = current_database() AND a.usename = current_user
    AND a.wait_event = 'ClientRead' AND a.xact_start < clock_timestamp() - CAST(:open_ms AS integer) * interval '1 ms';

-- name: lags
SELECT follower, last - position FROM cursors AS c JOIN writers AS w ON w.bucket = c.bucket AND w.writer = c.writer;

-- name: leave
DELETE FROM nodes WHERE node = CAST(:node AS text)::uuid;
UPDATE leases SET until = 0 WHERE node = CAST(:node AS text)::uuid;

-- name: list
SELECT name, version, started_at, seen_at, lag,
    ARRAY(SELECT l.name FROM leases AS l WHERE l.node = n.node AND l.until > now_ms() ORDER BY l.name),
    seen_at > now_ms() - :running_ms AS running
FROM nodes AS n ORDER BY running DESC, name, started_at;

-- name: lock_deletions
-- A number of otpconv's own. The session ends soon after its process hangs, and the lock with it.
SELECT set_config('idle_session_timeout', :idle, false);
SELECT pg_try_advisory_lock(7286474);

-- name: close
-- Another number: nodes share this lock in each heartbeat. Waits for those in progress.
SELECT set_config('idle_session_timeout', :idle, false);
SELECT pg_advisory_lock(7286475);

-- name: is_open
SELECT pg_try_advisory_xact_lock_shared(7286475);
