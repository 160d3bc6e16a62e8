using System.Globalization;

namespace PeoplesCloud.Cli.Processes;

/// <summary>
/// A shell that starts a daemon again when a signal ended it: it crashed, the kernel took it for want of memory, or its own switch ended it because this
/// machine stood still for longer than its leases held. One that ends by itself, as <c>pc down</c> and TERM let it, stays down. Costs a process of less than 1 MiB;
/// where systemd starts the daemon (<c>pc up --boot</c>) it does the same.
/// </summary>
internal static class Keeper
{
    /// <summary>How often it is started again when it never runs for a minute.</summary>
    public const int Tries = 5;

    // Only the first daemon has the output, on which whoever started it waits for its first line; nobody else may keep that open. After
    // a TERM that comes while none runs there is none.
    private static readonly string Script = string.Create(CultureInfo.InvariantCulture, $$"""
        pause=$1; shift
        exec 3>&1 >/dev/null
        trap 'told=1; kill -TERM "$!" 2>/dev/null' TERM
        told= tries=0
        while [ -z "$told" ]; do
          began=$(date +%s)
          if [ "$tries" = 0 ]; then "$@" >&3 3>&- & else "$@" & fi
          daemon=$!
          exec 3>&-
          wait "$daemon"; code=$?
          while kill -0 "$daemon" 2>/dev/null; do wait "$daemon"; code=$?; done
          case $code in
            130|143) exit "$code" ;;
            *) [ "$code" -gt 128 ] || exit "$code" ;;
          esac
          [ $(($(date +%s) - began)) -lt 60 ] || tries=0
          tries=$((tries + 1))
          [ "$tries" -le {{Tries}} ] || { echo "the daemon was ended by a signal {{Tries + 1}} times within a minute of its start: it is not started again" >&2; exit "$code"; }
          echo "the daemon was ended by signal $((code - 128)): it is started again" >&2
          [ -n "$told" ] || { sleep "$pause" & wait "$!"; }
        done
        exit 143
        """);

    /// <summary>The words that stand before those of a command that is to be kept.</summary>
    /// <param name="pause">How long after its end it is started again.</param>
    public static IEnumerable<string> Of(TimeSpan pause) => ["/bin/sh", "-c", Script, "pc-keeper", pause.TotalSeconds.ToString(CultureInfo.InvariantCulture)];
}
