SELECT version(), toUnixTimestamp64Micro(now64(6))
