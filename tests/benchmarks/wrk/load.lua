-- One load for every benchmark: requests are made once, then picked at random.
-- Arguments: method, file of "path key" lines, body ("" for none), "idempotent" or "plain", run name, random seed.
-- The nine tildes in a body, and the Idempotency-Key, become a number no other request of the run has.

local MARK = "~~~~~~~~~"
local requests, number, numbered = {}, 0, false

function init(args)
  local method, targets, body, idempotent = args[1], args[2], args[3], args[4] == "idempotent"
  numbered = idempotent or body:find(MARK, 1, true) ~= nil
  for line in io.lines(targets) do
    local path, key = line:match("^(%S+) (%S+)$")
    local headers = { ["X-API-Key"] = key }
    if body ~= "" then headers["Content-Type"] = "application/json" end
    if idempotent then headers["Idempotency-Key"] = args[5] .. MARK end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  math.randomseed(tonumber(args[6]))
end

function request()
  local chosen = requests[math.random(#requests)]
  if not numbered then return chosen end
  number = number + 1
  return (chosen:gsub(MARK, string.format("%09d", number)))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"refused":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
