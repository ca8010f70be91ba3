"""The rule of `machine.py` in Lua, so that Redis applies it in one step.

KEYS are the Set of active JTIs and the `:meta` hash. Both names have the id in braces, so that both are in one slot.
The hash has the fields of `Family`; `access` is one line, `jti,generation,minted,ends;` for each live token.
"""

from __future__ import annotations

_COMMON = """
local active, meta = KEYS[1], KEYS[2]

local function read()
  local flat, family = redis.call('HGETALL', meta), {}
  for i = 1, #flat, 2 do family[flat[i]] = flat[i + 1] end
  return family
end

local function good_until(family)
  return math.min(family.minted_ms + family.idle_ms, tonumber(family.ends_ms))
end

local function is_over(family, now)
  return not family.ended or family.ended ~= '' or now >= good_until(family)
    or redis.call('SISMEMBER', active, family.refresh_jti) == 0
end

local function text(number) return string.format('%.0f', number) end
"""

BEGIN = """
local fields = {}
for i = 4, #ARGV do fields[i - 3] = ARGV[i] end
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('SADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
"""

PRESENT = (
    _COMMON
    + """
local jti, refresh, access, key, scopes = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local access_ms, replay_ms, most = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local family = read()
local now = math.max(tonumber(ARGV[1]), tonumber(family.minted_ms or 0))
if is_over(family, now) then return {'over', redis.call('HGETALL', meta)} end

local function add_access()
  local live = {}
  for each, ends in string.gmatch(family.access, '([^;]+,(%d+));') do
    if now < tonumber(ends) then live[#live + 1] = each
    else redis.call('SREM', active, string.match(each, '^[^,]+')) end
  end
  if #live >= most then redis.call('SREM', active, string.match(table.remove(live, 1), '^[^,]+')) end
  local ends = math.min(now + access_ms, good_until(family))
  live[#live + 1] = access .. ',' .. family.generation .. ',' .. text(now) .. ',' .. text(ends)
  family.access = table.concat(live, ';') .. ';'
  redis.call('SADD', active, access)
end

local function is_fresh()
  local generation, ends = string.match(family.access, ',(%d+),%d+,(%d+);$')
  return generation == family.generation and 2 * (ends - now) >= access_ms
end

local function write()
  local fields = {}
  for name, value in pairs(family) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  redis.call('HSET', meta, unpack(fields))
  local left = text(math.max(1, good_until(family) - now))
  redis.call('PEXPIRE', meta, left)
  redis.call('PEXPIRE', active, left)
end

local verdict
if jti == family.refresh_jti then
  verdict = 'rotated'
  family.minted_ms, family.key, family.scopes, family.confirmed = text(now), key, scopes, '0'
  if family.rotates == '1' then
    redis.call('SREM', active, jti)
    redis.call('SADD', active, refresh)
    family.generation, family.parent_jti, family.refresh_jti = text(family.generation + 1), jti, refresh
  end
  add_access()
  write()
elseif jti == family.parent_jti and (family.confirmed == '0' or now - family.minted_ms <= replay_ms) then
  verdict = 'replayed'
  if not is_fresh() then
    add_access()
    write()
  end
else
  verdict = 'reused'
  redis.call('HSET', meta, 'ended', 'reuse')
  redis.call('DEL', active)
end
return {verdict, redis.call('HGETALL', meta)}
"""
)

ACCEPT = (
    _COMMON
    + """
local jti = ARGV[2]
if redis.call('SISMEMBER', active, jti) == 0 then return 0 end
local family = read()
local now = math.max(tonumber(ARGV[1]), tonumber(family.minted_ms or 0))
if is_over(family, now) then return 0 end
local _, at = string.find(';' .. family.access, ';' .. jti .. ',', 1, true)
if not at then return 0 end
local generation, ends = string.match(family.access, '^(%d+),%d+,(%d+);', at)
if now >= tonumber(ends) then return 0 end
if generation == family.generation and family.confirmed == '0' then redis.call('HSET', meta, 'confirmed', '1') end
return 1
"""
)

END = """
if redis.call('HGET', KEYS[2], 'ended') ~= '' then return 0 end
redis.call('HSET', KEYS[2], 'ended', ARGV[1])
redis.call('DEL', KEYS[1])
return 1
"""
