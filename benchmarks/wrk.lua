-- Plays pre-signed requests from a file, one line each: query, date, nonce, authorization, tab-separated; at its
-- end it begins again, which a server that remembers nonces takes for errors. Prints one line of JSON at the end.
local template = "POST /?%s HTTP/1.1\r\nhost: %s\r\nuser-agent: AlibabaCloud (Linux; x86_64) Python/3.11.7 "
    .. "Core/0.4.3 TeaDSL/2\r\naccept: application/json\r\nx-acs-action: SmsConversion\r\n"
    .. "x-acs-version: 2018-05-01\r\nx-acs-date: %s\r\nx-acs-signature-nonce: %s\r\n"
    .. "x-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
    .. "x-acs-credentials-provider: static_ak\r\nauthorization: %s\r\ncontent-length: 0\r\n\r\n"
local file, lines, host

function init(args)
    file, host = args[1], args[2]
    lines = io.lines(file)
end

function request()
    local line = lines()
    if not line then
        lines = io.lines(file)
        line = lines()
    end
    local query, date, nonce, authorization = line:match("(.-)\t(.-)\t(.-)\t(.*)")
    return template:format(query, host, date, nonce, authorization)
end

function done(summary, latency, requests)
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
        summary.requests, summary.duration / 1e6,
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
            + summary.errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
