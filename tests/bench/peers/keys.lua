-- SPDX-License-Identifier: BSD-3-Clause
-- wrk asks for uniformly drawn keys: `wrk ... URL -- KEYS`.
-- The paths are made before the clock starts, so that wrk's core is not spent on formatting.
local paths = {}
local count = 0

function init(arguments)
    local keys = tonumber(arguments[1] or 1)
    count = math.min(keys, 10000)
    math.randomseed(1)
    for i = 1, count do
        local key = keys == count and i - 1 or math.random(0, keys - 1)
        paths[i] = wrk.format("GET", string.format("/v1/ns/demo/values/%016d", key))
    end
end

function request()
    return paths[math.random(count)]
end
