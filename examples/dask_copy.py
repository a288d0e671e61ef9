"""Copy a directory to a server with the workers of a dask cluster, a shard at a time.

    python dask_copy.py DIRECTORY URL --key-file FILE [--shards N] [--workers N] [--scheduler ADDRESS]

Without `--scheduler` it starts workers on this machine. With it, each worker has to see DIRECTORY under the same name,
and the key file, which only the workers read: the task graph has the name of the file and not the key. A shard whose
worker dies is copied again by another one, and copies only what is missing then. Prints what failed, file by file;
the exit code is 1 then.
"""

import argparse
import json
import os
import sys
import tempfile

from distributed import Client, LocalCluster, as_completed

import secftp


def copy_shard(directory, url, key_file, shard):
    """Copy one shard, on a worker. Return what became of each file, except that of those that are there already."""
    with tempfile.TemporaryDirectory() as own, secftp.connect(url, key_file=key_file) as client:
        results = os.path.join(own, "results")
        client.put(
            os.path.join(directory, "."),  # what is in it, into the directory of the URL
            shard=shard,
            update=True,
            retries=10,
            results=results,
            on_error=lambda _name, _error: None,  # they are in the results
        )
        with open(results) as lines:
            found = map(json.loads, lines)
            return [line for line in found if line["result"] not in ("unchanged", "left_out")]


def copy(client, directory, url, key_file, shards):
    """Copy a directory with the workers of a cluster. Yield the results, shard by shard, as they are complete."""
    tasks = [
        client.submit(copy_shard, directory, url, key_file, (number, shards), pure=False, retries=2)
        for number in range(1, shards + 1)
    ]
    for task in as_completed(tasks):
        yield from task.result()
        task.release()  # else the scheduler would keep the results of all shards


def main():
    """Parse the command line, copy, and print a summary. Return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("url")
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scheduler")
    options = parser.parse_args()
    cluster = options.scheduler or LocalCluster(
        n_workers=options.workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    files = nbytes = failed = 0
    with Client(cluster) as client:
        directory, key_file = os.path.abspath(options.directory), os.path.abspath(options.key_file)
        for result in copy(client, directory, options.url, key_file, options.shards):
            if result["result"] == "failed":
                failed += 1
                print(f"{result['path']}: {result['message']}", file=sys.stderr)
            elif result["result"] == "copied":
                files, nbytes = files + 1, nbytes + result["size"]
    if not options.scheduler:
        cluster.close()
    print(f"{files} files copied, {nbytes} bytes, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":  # workers are started as processes, which import this file
    sys.exit(main())
