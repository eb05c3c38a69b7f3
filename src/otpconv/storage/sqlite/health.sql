-- The checks of `otpconv doctor`. Each statement sees one state of the file, even while the applier writes.

-- name: integrity
PRAGMA integrity_check(5);

-- name: rows
SELECT count(*) FROM batches;

-- name: cursor
SELECT cursor FROM progress;

-- name: unmatched
SELECT coalesce(sum(messages + numbers), 0) FROM unmatched;

-- name: folded
SELECT coalesce(sum(r.requested), 0)
FROM dimensions AS d CROSS JOIN rollups AS r
    ON r.grain = 86400000 AND r.account = d.account AND r.start = d.day * 86400000 AND r.dimensions = d.id
WHERE d.folded;
