module telemetry-printer

go 1.19
