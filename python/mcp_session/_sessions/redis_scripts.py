"""What Redis runs: each script is one atomic step.

An entry is one string: 8 bytes of claim (most significant first), one byte that says how long the
owner's identity is, the identity, the value. A lease is one string: 8 bytes of term, the `run_id`
of the server that granted it, a space, the addresses. `server` is the `run_id` of the server that
last saw this table, a space, and since when, in milliseconds of its clock.

A server that was restarted, flushed, or promoted from a replica may lack writes that were
acknowledged. It has another `run_id`, or no `server`: then the table is not settled until every
replica that lives has renewed its lease with it, and only then is what it lacks believed to be
missing.

The last argument of each script is 1 when it may have been run already, its answer lost.
"""

__all__ = ["FIND", "HASHING_KEY", "RENEW", "SWAP"]

_COMMON = """
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '-'
end

-- Returns the milliseconds until the table is settled, 0 if it is.
local function unsettled(server, settling)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local run = run_id()
  local known, since = string.match(redis.call('GET', server) or '', '^(%S+) (%d+)$')
  if known ~= run or tonumber(since) > now then
    redis.call('SET', server, string.format('%s %d', run, now))
    return settling
  end
  return math.max(0, tonumber(since) + settling - now)
end
"""

# KEYS: entry, server. ARGV: what a lease's key begins with, settling.
# Returns {entry, addresses}, {entry}, 0 for no entry, or the milliseconds to wait.
FIND = (
    _COMMON
    + """
local entry = redis.call('GET', KEYS[1])
if entry then
  local owner = string.sub(entry, 10, 9 + (string.byte(entry, 9) or 0))
  if owner == '' then
    return {entry}
  end
  local lease = redis.call('GET', ARGV[1] .. owner)
  if lease then
    return {entry, string.sub(lease, string.find(lease, ' ', 9, true) + 1)}
  end
end
local left = unsettled(KEYS[2], tonumber(ARGV[2]))
if left > 0 then
  return left
end
return entry and {entry} or 0
"""
)

# KEYS: entry, server. ARGV: the claim expected or '', entry, milliseconds to keep it, settling.
# Returns 1 if it was written, 0 if not, or -1 times the milliseconds to wait.
SWAP = (
    _COMMON
    + """
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then
  return ARGV[5] == '1' and redis.call('GET', KEYS[1]) == ARGV[2] and 1 or 0
end
if ARGV[1] ~= '' then
  local left = unsettled(KEYS[2], tonumber(ARGV[4]))
  if left > 0 then
    return -left
  end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
)

# KEYS: lease, server, hashing key. ARGV: term acknowledged or '', new term, addresses,
# milliseconds, settling, record of the hashing key or ''.
# Returns 1 if a lease was begun, 0 if it was renewed, 2 if the hashing key is another.
RENEW = (
    _COMMON
    + """
local run = run_id()
local lease = redis.call('GET', KEYS[1])
if lease and string.sub(lease, 1, 8 + #run + 1) == ARGV[1] .. run .. ' ' then
  if string.sub(lease, 8 + #run + 2) == ARGV[3] then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
  else
    redis.call('SET', KEYS[1], ARGV[1] .. run .. ' ' .. ARGV[3], 'PX', ARGV[4])
  end
  return 0
end
unsettled(KEYS[2], tonumber(ARGV[5]))
if ARGV[6] ~= '' and (redis.call('GET', KEYS[3]) or ARGV[6]) ~= ARGV[6] then
  return 2
end
if ARGV[6] ~= '' then
  redis.call('SET', KEYS[3], ARGV[6])
end
redis.call('SET', KEYS[1], ARGV[2] .. run .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1
"""
)

# KEYS: hashing key, server. ARGV: record, settling; 0 if the key was given.
# Returns the record that is stored, or the milliseconds to wait.
HASHING_KEY = (
    _COMMON
    + """
local record = redis.call('GET', KEYS[1])
if record then
  return record
end
local left = unsettled(KEYS[2], tonumber(ARGV[2]))
if left > 0 then
  return left
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
"""
)
