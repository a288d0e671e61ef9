"""Scripts that run in Redis, each in one step.

The clock is that of Redis, so that the servers need not agree. Everything that a script writes expires or is bounded in
number. Times in seconds, as text with microseconds.
"""

from __future__ import annotations

import hashlib
from typing import Final

from secftp.server.shared.line import Script

_NOW: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local function text(seconds) return string.format('%.6f', seconds) end
"""

# A random number that says since when there has been nothing but what is there: another one after a loss of all data.
_EPOCH: Final = """
local function epoch(key, fresh)
  local found = redis.call('GET', key)
  if not found then redis.call('SET', key, fresh); found = fresh end
  redis.call('EXPIRE', key, 604800)
  return found
end
"""

# The number of guesses of a source, without those that are forgiven, as in `server.throttle`.
_DEBT: Final = """
local function debt(key, forgiven)
  local found = redis.call('HMGET', key, 'count', 'since', 'last')
  local count = tonumber(found[1]) or 0
  local since = math.min(tonumber(found[2]) or now, now)
  local periods = math.floor((now - since) / forgiven)
  if periods > 0 then
    count = math.max(0, count - periods)
    since = since + periods * forgiven
  end
  return count, since, math.min(tonumber(found[3]) or 0, now)
end
local function tokens(key, rate, burst)
  local found = redis.call('HMGET', key, 'tokens', 'at')
  local at = math.min(tonumber(found[2]) or now, now)
  return math.min(burst, (tonumber(found[1]) or burst) + (now - at) * rate)
end
local function fill(key, left, rate, burst)
  redis.call('HSET', key, 'tokens', text(left), 'at', text(now))
  redis.call('PEXPIRE', key, math.ceil(1000 * (burst / rate + 1)))
end
"""


def _script(*parts: str) -> Script:
    text = "".join(parts)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# Keys: epoch, debt of the source, budget, budget of trusted sources.
# Returns {1 for a wait of the source or 2 for one of all, seconds} or {0, epoch, which budget, whether it counted}.
CHARGE: Final = _script(
    _NOW,
    _EPOCH,
    _DEBT,
    """
local fresh, waited, trusted = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local free, longest, first, side = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local forgiven, rate, burst, most = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local count, since, last = debt(KEYS[2], forgiven)
local beyond = count - free
if beyond > 0 then
  local delay = math.min(first * 2 ^ math.min(beyond - 1, 60), longest)
  local allowed = math.max(last + delay / side, math.min(now - waited, last) + delay)
  if allowed > now then return {1, text(allowed - now)} end
end
local budget, left = 3, tokens(KEYS[3], rate, burst)
if trusted then
  local own = tokens(KEYS[4], rate, burst)
  if own >= 1 or own > left then budget, left = 4, own end
end
if left < 1 then return {2, text((1 - left) / rate)} end
fill(KEYS[budget], left - 1, rate, burst)
local counted = 0
if count < most then count, counted = count + 1, 1 end
redis.call('HSET', KEYS[2], 'count', count, 'since', text(since), 'last', text(now))
redis.call('PEXPIRE', KEYS[2], math.ceil(1000 * forgiven * (most + 1)))
return {0, epoch(KEYS[1], fresh), budget, counted}
""",
)

# Keys as those of CHARGE, with the budget that was charged. Returns whether there was a charge to take back.
REFUND: Final = _script(
    _NOW,
    _DEBT,
    """
local forgiven, rate, burst = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
fill(KEYS[3], math.min(burst, tokens(KEYS[3], rate, burst) + 1), rate, burst)
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[2]) == 1 then
  local count, since = debt(KEYS[2], forgiven)
  if count <= 1 then
    redis.call('DEL', KEYS[2])
  else
    redis.call('HSET', KEYS[2], 'count', count - 1, 'since', text(since))
  end
end
return 1
""",
)

# The sessions of each server are a hash of counts. `servers` has the last heartbeat of each.
_SERVERS: Final = """
local servers, me, prefix, life = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', servers, '-inf', text(now - life))) do
  redis.call('DEL', prefix .. gone)
  redis.call('ZREM', servers, gone)
end
local function add(field, number)
  if redis.call('HINCRBY', prefix .. me, field, number) <= 0 then redis.call('HDEL', prefix .. me, field) end
end
"""

# Keys: servers. Values: server, prefix, seconds of life, then the number of conditions and each as (field, bound,
# times): it is full with `bound` sessions, or with `times` as many as are free if `times` is above 0; then how many
# fields the session that gives its slot away has, and each; then the fields of the new one. The first condition is that
# of all.
# Returns 0 if it was counted, the number of the condition that is full, or -1 if this server is not known.
TAKE: Final = _script(
    _NOW,
    _SERVERS,
    """
if not redis.call('ZSCORE', servers, me) then return -1 end
local at = 4
local function next_value() at = at + 1; return ARGV[at - 1] end
local conditions, given, taken = {}, {}, {}
for i = 1, tonumber(next_value()) do
  conditions[i] = {next_value(), tonumber(next_value()), tonumber(next_value())}
end
for i = 1, tonumber(next_value()) do given[i] = next_value() end
while at <= #ARGV do taken[#taken + 1] = next_value() end
local living = redis.call('ZRANGE', servers, 0, -1)
local function count(field)
  local sum = 0
  for _, server in ipairs(living) do
    sum = sum + (tonumber(redis.call('HGET', prefix .. server, field)) or 0)
  end
  for _, other in ipairs(given) do
    if other == field then sum = sum - 1 end
  end
  return sum
end
local free = 0
for i, condition in ipairs(conditions) do
  local sessions = count(condition[1])
  if i == 1 then free = condition[2] - sessions end
  local bound = condition[2]
  if condition[3] > 0 then bound = condition[3] * free end
  if sessions >= bound then return i end
end
for _, field in ipairs(given) do add(field, -1) end
for _, field in ipairs(taken) do add(field, 1) end
redis.call('PEXPIRE', prefix .. me, math.ceil(1000 * life))
return 0
""",
)

# Values after the first three: the number of fields to count one less, these, and those to count one more.
CHANGE: Final = _script(
    _NOW,
    _SERVERS,
    """
if not redis.call('ZSCORE', servers, me) then return -1 end
local less = tonumber(ARGV[4])
for i = 5, #ARGV do add(ARGV[i], i < 5 + less and -1 or 1) end
return 0
""",
)

# Values after the first three: fields and counts of all sessions of this server, which replace what is there. The first
# command is one that fails where no memory is left: so that is noticed here.
SYNCHRONIZE: Final = _script(
    _NOW,
    "redis.call('ZADD', KEYS[1], text(now), ARGV[1])",
    _SERVERS,
    """
redis.call('DEL', prefix .. me)
for i = 4, #ARGV, 2 do redis.call('HSET', prefix .. me, ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', prefix .. me, math.ceil(1000 * life))
redis.call('PEXPIRE', servers, math.ceil(10000 * life))
return 0
""",
)

# Keys: servers. The server's sessions are over.
LEAVE: Final = _script(
    _NOW,
    _SERVERS,
    """
redis.call('DEL', prefix .. me)
redis.call('ZREM', servers, me)
return 0
""",
)

# Keys: a hash of values, and their times. Values: the most that are kept, their seconds, names and values.
PUT: Final = _script(
    _NOW,
    """
local most, kept = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], text(now), ARGV[i])
end
local surplus = redis.call('ZCARD', KEYS[2]) - most
if surplus > 0 then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, surplus - 1)) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  end
end
redis.call('EXPIRE', KEYS[1], kept)
redis.call('EXPIRE', KEYS[2], kept)
return 0
""",
)

# Keys: a hash of values. Values: a name. Returns its value, or nothing.
GET: Final = _script("return redis.call('HGET', KEYS[1], ARGV[1])")

# Keys: a claim. Values: who claims it, and for how many milliseconds. Returns whether it is theirs.
CLAIM: Final = _script(
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
)

# Keys: claims. Values: who has them, and for how many more milliseconds; 0 gives them up.
KEEP: Final = _script(
    """
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('PEXPIRE', key, ARGV[2]) end
end
return 0
"""
)

# Shows that Redis is there.
NOTHING: Final = _script("return 0")
