SELECT access_key_id,
       sealed_secret,
       users.name AS user,
       account_id,
       accounts.name AS account_name,
       (SELECT group_concat(policy, ',' ORDER BY policy)
          FROM user_policies
         WHERE user_policies.user_id = access_keys.user_id) AS policies,
       active,
       created_at
  FROM access_keys
  JOIN users USING (user_id)
  JOIN accounts USING (account_id)
 ORDER BY created_at, access_key_id;
