-- Everything that is asked of the tables of access, or changed in them, in SQL that every engine understands: no function
-- but coalesce, count and lower. The names of roles and policies are case-insensitive.

-- name: make_account
INSERT INTO accounts (name) VALUES (:name) ON CONFLICT DO NOTHING;

-- name: account
SELECT account_id FROM accounts WHERE name = :name;

-- name: accounts
SELECT account_id AS id, name FROM accounts ORDER BY account_id;

-- name: make_user
INSERT INTO users (account_id, name, created_at) VALUES (:account, :name, :now) ON CONFLICT DO NOTHING;

-- name: user_id
SELECT user_id FROM users WHERE account_id = :account AND name = :name;

-- name: users
SELECT user_id AS id, users.name, account_id AS account, accounts.name AS account_name, created_at
FROM users JOIN accounts USING (account_id)
WHERE account_id = :account ORDER BY users.name;

-- name: key_ids
SELECT user_id, access_key_id FROM access_keys JOIN users USING (user_id)
WHERE account_id = :account ORDER BY access_keys.created_at, access_key_id;

-- name: delete_user
DELETE FROM users WHERE user_id = :id;

-- name: make_role
INSERT INTO roles (account_id, name, max_duration_s, created_at)
VALUES (:account, :name, :max_duration_s, :now) ON CONFLICT DO NOTHING;

-- name: role_id
SELECT role_id FROM roles WHERE account_id = :account AND lower(name) = lower(:name);

-- name: roles
SELECT role_id AS id, roles.name, account_id AS account, accounts.name AS account_name, created_at, max_duration_s
FROM roles JOIN accounts USING (account_id)
WHERE account_id = coalesce(:account, account_id) ORDER BY account_id, lower(roles.name);

-- name: delete_role
DELETE FROM roles WHERE role_id = :id;

-- name: user_grants
SELECT user_id AS id, policy, document
FROM user_policies JOIN users USING (user_id)
LEFT JOIN policies ON policies.account_id = users.account_id AND lower(policies.name) = lower(policy)
WHERE user_id = coalesce(:id, user_id) ORDER BY user_id, policy;

-- name: role_grants
SELECT role_id AS id, policy, document
FROM role_policies JOIN roles USING (role_id)
LEFT JOIN policies ON policies.account_id = roles.account_id AND lower(policies.name) = lower(policy)
WHERE role_id = coalesce(:id, role_id) ORDER BY role_id, policy;

-- name: attach_to_user
INSERT INTO user_policies (user_id, policy) VALUES (:id, :policy) ON CONFLICT DO NOTHING;

-- name: attach_to_role
INSERT INTO role_policies (role_id, policy) VALUES (:id, :policy) ON CONFLICT DO NOTHING;

-- name: detach_from_user
DELETE FROM user_policies WHERE user_id = :id AND policy = :policy;

-- name: detach_from_role
DELETE FROM role_policies WHERE role_id = :id AND policy = :policy;

-- name: make_policy
INSERT INTO policies (account_id, name, document, created_at)
VALUES (:account, :name, :document, :now) ON CONFLICT DO NOTHING;

-- name: replace_policy
UPDATE policies SET document = :document WHERE account_id = :account AND lower(name) = lower(:name);

-- name: policies
SELECT name, document, created_at FROM policies WHERE account_id = :account ORDER BY lower(name);

-- name: attachments
SELECT policy, 'user ' || name AS holder FROM user_policies JOIN users USING (user_id) WHERE account_id = :account
UNION ALL
SELECT policy, 'role ' || name FROM role_policies JOIN roles USING (role_id) WHERE account_id = :account
ORDER BY holder;

-- name: policy_name
SELECT name FROM policies WHERE account_id = :account AND lower(name) = lower(:name);

-- name: delete_policy
DELETE FROM policies WHERE account_id = :account AND lower(name) = lower(:name);

-- name: keys
SELECT access_key_id, sealed_secret, user_id, users.name AS user, account_id AS account,
    accounts.name AS account_name, active, access_keys.created_at, last_used_at, access_keys.sign_ins_after
FROM access_keys JOIN users USING (user_id) JOIN accounts USING (account_id)
ORDER BY access_keys.created_at, access_key_id;

-- name: people
-- A user with the name of a deleted one does not take over its sign-ins.
SELECT user_id, users.name, account_id AS account, accounts.name AS account_name, created_at,
    CASE WHEN sign_ins_after > created_at THEN sign_ins_after ELSE created_at END AS sign_ins_after
FROM users JOIN accounts USING (account_id);

-- name: any_key
SELECT access_key_id, sealed_secret FROM access_keys LIMIT 1;

-- name: keys_of_user
SELECT access_key_id, last_used_at FROM access_keys WHERE user_id = :id ORDER BY created_at, access_key_id;

-- name: make_key
INSERT INTO access_keys (access_key_id, user_id, sealed_secret, created_at)
VALUES (:access_key_id, :id, :sealed_secret, :now);

-- name: set_active
UPDATE access_keys SET active = :active,
    sign_ins_after = CASE WHEN :active = 0 AND sign_ins_after < :now THEN :now ELSE sign_ins_after END
WHERE access_key_id = :access_key_id;

-- name: delete_key
DELETE FROM access_keys WHERE access_key_id = :access_key_id;

-- name: note_use
UPDATE access_keys SET last_used_at = :at
WHERE access_key_id = :access_key_id AND coalesce(last_used_at, 0) < :at;

-- name: sign_outs
SELECT access_key_id, sign_in, until FROM sign_outs
UNION ALL
SELECT 'user/' || account_id || '/' || name, sign_in, until FROM user_sign_outs JOIN users USING (user_id);

-- name: make_sign_out
INSERT INTO sign_outs (access_key_id, sign_in, until)
SELECT access_key_id, :sign_in, :until FROM access_keys WHERE access_key_id = :access_key_id
ON CONFLICT DO NOTHING;
INSERT INTO user_sign_outs (user_id, sign_in, until)
SELECT user_id, :sign_in, :until FROM users WHERE 'user/' || account_id || '/' || name = :access_key_id
ON CONFLICT DO NOTHING;

-- name: count_sign_outs
SELECT (SELECT count(*) FROM sign_outs WHERE access_key_id = :access_key_id)
    + (SELECT count(*) FROM user_sign_outs JOIN users USING (user_id)
       WHERE 'user/' || account_id || '/' || name = :access_key_id);

-- name: end_sign_ins
UPDATE access_keys SET sign_ins_after = :now WHERE access_key_id = :access_key_id AND sign_ins_after < :now;
UPDATE users SET sign_ins_after = :now
WHERE sign_ins_after < :now AND 'user/' || account_id || '/' || name = :access_key_id;

-- name: forget_sign_outs
DELETE FROM sign_outs WHERE until <= :now;
DELETE FROM user_sign_outs WHERE until <= :now;

-- name: forget_sign_outs_of
DELETE FROM sign_outs WHERE access_key_id = :access_key_id;
DELETE FROM user_sign_outs
WHERE user_id IN (SELECT user_id FROM users WHERE 'user/' || account_id || '/' || name = :access_key_id);

-- name: saved_views
SELECT view_id, name, query, created_by, created_at FROM saved_views
WHERE account_id = :account ORDER BY name;

-- name: count_saved_views
SELECT count(*) FROM saved_views WHERE account_id = :account;

-- name: make_saved_view
INSERT INTO saved_views (account_id, name, query, created_by, created_at)
VALUES (:account, :name, :query, :created_by, :now) ON CONFLICT DO NOTHING
RETURNING view_id;

-- name: rename_saved_view
UPDATE saved_views SET name = :name WHERE account_id = :account AND view_id = :id AND NOT EXISTS (
    SELECT 1 FROM saved_views AS v WHERE v.account_id = :account AND v.name = :name AND v.view_id <> :id
);

-- name: saved_view_id
SELECT view_id FROM saved_views WHERE account_id = :account AND view_id = :id;

-- name: delete_saved_view
DELETE FROM saved_views WHERE account_id = :account AND view_id = :id;

-- name: vendors
SELECT vendor_id, account_id, name, kind, provider, settings, sealed_secrets, per_second, paused, since, created_at
FROM vendor_accounts WHERE account_id = coalesce(:account, account_id) ORDER BY account_id, name;

-- name: count_vendors
SELECT count(*) FROM vendor_accounts WHERE account_id = :account;

-- name: make_vendor
INSERT INTO vendor_accounts (account_id, name, kind, provider, settings, sealed_secrets, per_second, paused, since, created_at)
VALUES (:account, :name, :kind, :provider, :settings, :sealed_secrets, :per_second, 0, :since, :now) ON CONFLICT DO NOTHING
RETURNING vendor_id;

-- name: pause_vendor
UPDATE vendor_accounts SET paused = :paused WHERE account_id = :account AND name = :name;

-- name: change_vendor
UPDATE vendor_accounts SET settings = :settings, sealed_secrets = :sealed_secrets
WHERE account_id = :account AND name = :name;

-- name: delete_vendor
DELETE FROM vendor_accounts WHERE account_id = :account AND name = :name;

-- name: price_list
SELECT prices FROM price_lists WHERE account_id = :account;

-- name: set_price_list
INSERT INTO price_lists (account_id, prices) VALUES (:account, :prices)
ON CONFLICT (account_id) DO UPDATE SET prices = excluded.prices;

-- name: alert_targets
SELECT target_id, account_id, name, kind, settings, rules, sealed_secrets, created_at
FROM alert_targets WHERE account_id = coalesce(:account, account_id) ORDER BY account_id, name;

-- name: count_alert_targets
SELECT count(*) FROM alert_targets WHERE account_id = :account;

-- name: make_alert_target
INSERT INTO alert_targets (account_id, name, kind, settings, rules, sealed_secrets, created_at)
VALUES (:account, :name, :kind, :settings, :rules, :sealed_secrets, :now) ON CONFLICT DO NOTHING
RETURNING target_id;

-- name: delete_alert_target
DELETE FROM alert_targets WHERE account_id = :account AND name = :name;
