#!/bin/sh
# Greets, then counts until it is stopped. What it prints is its log: pc logs -f hello-shell
count=0
while true; do
    echo "$GREETING, this is run $count on $(uname -m)"
    count=$((count + 1))
    sleep 5
done
