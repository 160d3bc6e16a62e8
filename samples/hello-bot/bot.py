"""The smallest bot: says hello once a second. Everything that it prints is its log."""
import time

count = 0
while True:
    count += 1
    print(f"hello number {count} from a program that nobody's server runs", flush=True)
    time.sleep(1)
