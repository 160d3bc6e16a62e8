using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Tests.Hosting;

public sealed class ProgramSupervisorTests
{
    private static readonly RunExit Crash = new(1, RunExitReason.Exited);
    private static readonly RestartPolicy NoJitter = new() { Jitter = 0 };

    private readonly ProgramSupervisor _supervisor = new(NoJitter, new Random(1));
    private DateTimeOffset _now = new(2027, 3, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_start_prepares_then_launches_then_runs()
    {
        Assert.Equal([new SupervisorEffect.Prepare()], Handle(new SupervisorInput.Begin(Resumed: false)));
        Assert.Equal(ProgramState.Starting, _supervisor.State);
        Assert.Equal([new SupervisorEffect.Say("starting"), new SupervisorEffect.Launch()], Handle(new SupervisorInput.Prepared()));
        Assert.Empty(Handle(new SupervisorInput.Launched()));
        Assert.Equal(ProgramState.Running, _supervisor.State);
    }

    [Fact]
    public void A_program_that_exits_with_0_is_done()
    {
        Run();
        Assert.Equal(new SupervisorEffect.Over(Finished: true), Handle(new SupervisorInput.Exited(new RunExit(0, RunExitReason.Exited)))[^1]);
        Assert.Equal((ProgramState.Stopped, "finished by itself with exit code 0"), (_supervisor.State, _supervisor.Detail));
        Assert.Empty(Handle(new SupervisorInput.Stop("late")));
    }

    [Fact]
    public void Pauses_double_up_to_the_longest()
    {
        Run();
        var pauses = new List<double>();
        for (var i = 0; i < 12; i++) pauses.Add(CrashAndRunAgain(TimeSpan.FromSeconds(59)).TotalSeconds);
        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], pauses);
        Assert.Equal(12, _supervisor.Restarts);
    }

    [Fact]
    public void A_stable_run_makes_the_next_pause_short_again()
    {
        Run();
        for (var i = 0; i < 5; i++) CrashAndRunAgain(TimeSpan.FromSeconds(1));
        Assert.Equal(TimeSpan.FromSeconds(1), CrashAndRunAgain(TimeSpan.FromSeconds(60)));
        Assert.Equal(TimeSpan.FromSeconds(2), CrashAndRunAgain(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void Jitter_spreads_the_pauses_of_many_programs()
    {
        var pauses = Enumerable.Range(0, 200).Select(seed =>
        {
            var supervisor = new ProgramSupervisor(new RestartPolicy(), new Random(seed));
            foreach (var input in new SupervisorInput[] { new SupervisorInput.Begin(false), new SupervisorInput.Prepared(), new SupervisorInput.Launched() }) supervisor.Handle(input, _now);
            return supervisor.Handle(new SupervisorInput.Exited(Crash), _now).OfType<SupervisorEffect.SetAlarm>().Single().After.TotalSeconds;
        }).ToList();
        Assert.All(pauses, pause => Assert.InRange(pause, 0.8, 1.2));
        Assert.InRange(pauses.Max() - pauses.Min(), 0.3, 0.4);
    }

    [Theory]
    [InlineData(1, RunExitReason.Exited, "crashed with exit code 1")]
    [InlineData(137, RunExitReason.OutOfMemory, "used more memory than it may and was ended")]
    [InlineData(139, RunExitReason.Signalled, "was ended by signal 11")]
    [InlineData(0, RunExitReason.OutOfMemory, "used more memory than it may and was ended")]
    public void The_log_says_how_it_ended(int code, RunExitReason reason, string words)
    {
        Run();
        Assert.Equal(new SupervisorEffect.Say($"{words}; starts again in 1.0 s"), Handle(new SupervisorInput.Exited(new RunExit(code, reason)))[0]);
        Assert.Equal((ProgramState.Restarting, words), (_supervisor.State, _supervisor.Detail));
    }

    [Fact]
    public void A_first_start_that_fails_is_final_so_that_the_owner_tries_another_host()
    {
        Handle(new SupervisorInput.Begin(Resumed: false));
        Assert.Equal(new SupervisorEffect.Over(Finished: false), Handle(new SupervisorInput.PrepareFailed("no blocks"))[^1]);
        Assert.Equal((ProgramState.Failed, "no blocks"), (_supervisor.State, _supervisor.Detail));
    }

    [Fact]
    public void A_resumed_start_that_fails_is_tried_again_from_where_it_failed()
    {
        Handle(new SupervisorInput.Begin(Resumed: true));
        Assert.Equal(TimeSpan.FromSeconds(1), Alarm(Handle(new SupervisorInput.PrepareFailed("no blocks"))).After);
        Assert.Equal([new SupervisorEffect.Prepare()], Handle(new SupervisorInput.Alarm(1)));
        Handle(new SupervisorInput.Prepared());
        Assert.Equal(TimeSpan.FromSeconds(2), Alarm(Handle(new SupervisorInput.LaunchFailed("no bwrap"))).After);
        Assert.Equal([new SupervisorEffect.Say("starting again (2 times)"), new SupervisorEffect.Launch()], Handle(new SupervisorInput.Alarm(2)));
    }

    [Fact]
    public void Stop_ends_a_running_program_and_waits_for_its_end()
    {
        Run();
        Assert.Equal([new SupervisorEffect.EndRun(TimeSpan.FromSeconds(10))], Handle(new SupervisorInput.Stop("was stopped")));
        Assert.Equal([new SupervisorEffect.Say("was stopped"), new SupervisorEffect.Over(Finished: false)], Handle(new SupervisorInput.Exited(new RunExit(0, RunExitReason.Stopped))));
        Assert.Equal((ProgramState.Stopped, "was stopped"), (_supervisor.State, _supervisor.Detail));
    }

    [Fact]
    public void Stop_in_a_pause_ends_at_once_and_its_alarm_does_nothing()
    {
        Run();
        Handle(new SupervisorInput.Exited(Crash));
        Assert.Equal(new SupervisorEffect.Over(Finished: false), Handle(new SupervisorInput.Stop("was stopped"))[^1]);
        Assert.Empty(Handle(new SupervisorInput.Alarm(1)));
    }

    [Fact]
    public void An_alarm_of_an_earlier_pause_does_not_shorten_this_one()
    {
        Run();
        CrashAndRunAgain(TimeSpan.Zero);
        Handle(new SupervisorInput.Exited(Crash));
        Assert.Empty(Handle(new SupervisorInput.Alarm(1)));
        Assert.NotEmpty(Handle(new SupervisorInput.Alarm(2)));
    }

    [Fact]
    public void Stop_while_it_is_launched_ends_it_as_soon_as_it_runs()
    {
        Handle(new SupervisorInput.Begin(Resumed: false));
        Handle(new SupervisorInput.Prepared());
        Assert.Empty(Handle(new SupervisorInput.Stop("was stopped")));
        Assert.Equal([new SupervisorEffect.EndRun(TimeSpan.FromSeconds(10))], Handle(new SupervisorInput.Launched()));
        Assert.IsType<SupervisorEffect.Over>(Handle(new SupervisorInput.Exited(Crash))[^1]);
    }

    [Fact]
    public void A_restart_ends_the_process_and_starts_it_at_once_without_counting_as_a_crash()
    {
        Run();
        CrashAndRunAgain(TimeSpan.FromSeconds(1));
        Assert.Equal([new SupervisorEffect.Say("is restarted by oak"), new SupervisorEffect.EndRun(TimeSpan.FromSeconds(10))], Handle(new SupervisorInput.Restart("is restarted by oak")));
        Assert.Equal(ProgramState.Restarting, _supervisor.State);
        Assert.Equal(new SupervisorEffect.Launch(), Handle(new SupervisorInput.Exited(new RunExit(0, RunExitReason.Stopped)))[^1]);
        Handle(new SupervisorInput.Launched());
        Assert.Equal((ProgramState.Running, 1), (_supervisor.State, _supervisor.Restarts));
        Assert.Equal(TimeSpan.FromSeconds(1), Alarm(Handle(new SupervisorInput.Exited(Crash))).After);
    }

    [Fact]
    public void A_restart_ends_a_pause_and_its_alarm_does_nothing()
    {
        Run();
        Handle(new SupervisorInput.Exited(Crash));
        Assert.Equal(new SupervisorEffect.Launch(), Handle(new SupervisorInput.Restart("is restarted"))[^1]);
        Assert.Empty(Handle(new SupervisorInput.Alarm(1)));
        Handle(new SupervisorInput.Launched());
        Assert.Empty(Handle(new SupervisorInput.Alarm(1)));
    }

    [Fact]
    public void A_stop_while_it_is_restarted_wins()
    {
        Run();
        Handle(new SupervisorInput.Restart("is restarted"));
        Assert.Empty(Handle(new SupervisorInput.Stop("was stopped")));
        Assert.Equal(new SupervisorEffect.Over(Finished: false), Handle(new SupervisorInput.Exited(Crash))[^1]);
    }

    [Fact]
    public void A_scheduled_program_has_its_place_and_waits_then_runs_at_its_time_and_waits_again()
    {
        var supervisor = Resting();
        Assert.Equal([new SupervisorEffect.Say("starting for 12:00"), new SupervisorEffect.Launch()], supervisor.Handle(new SupervisorInput.Due(1, "starting for 12:00"), _now));
        Assert.Equal(ProgramState.Starting, supervisor.State);
        supervisor.Handle(new SupervisorInput.Launched(), _now);
        Assert.Equal(ProgramState.Running, supervisor.State);
        Assert.Empty(supervisor.Handle(new SupervisorInput.Due(2, "starting for 13:00"), _now)); // never beside itself
        var success = new RunExit(0, RunExitReason.Exited);
        Assert.Equal(new SupervisorEffect.RunOver(success, null), supervisor.Handle(new SupervisorInput.Exited(success), _now)[^1]);
        Assert.Equal((ProgramState.Scheduled, null, 0), (supervisor.State, supervisor.Detail, supervisor.Restarts));
    }

    [Fact]
    public void A_scheduled_program_that_crashes_or_cannot_be_started_waits_for_its_next_time()
    {
        var supervisor = Resting();
        supervisor.Handle(new SupervisorInput.Due(1, "starting"), _now);
        Assert.Equal(new SupervisorEffect.RunOver(null, "no"), supervisor.Handle(new SupervisorInput.LaunchFailed("no"), _now)[^1]);
        supervisor.Handle(new SupervisorInput.Due(2, "starting"), _now);
        supervisor.Handle(new SupervisorInput.Launched(), _now);
        Assert.Equal([new SupervisorEffect.Say("crashed with exit code 1"), new SupervisorEffect.RunOver(Crash, null)], supervisor.Handle(new SupervisorInput.Exited(Crash), _now));
        Assert.Equal((ProgramState.Scheduled, 0), (supervisor.State, supervisor.Restarts));
    }

    [Fact]
    public void A_scheduled_program_is_started_by_hand_and_stopped_wherever_it_is()
    {
        var supervisor = Resting();
        Assert.Equal([new SupervisorEffect.Say("is restarted"), new SupervisorEffect.Launch()], supervisor.Handle(new SupervisorInput.Restart("is restarted"), _now));
        supervisor.Handle(new SupervisorInput.Launched(), _now);
        supervisor.Handle(new SupervisorInput.Exited(Crash), _now);
        Assert.Equal(new SupervisorEffect.Over(Finished: false), supervisor.Handle(new SupervisorInput.Stop("was stopped"), _now)[^1]);

        var placing = new ProgramSupervisor(NoJitter, new Random(1), scheduled: true);
        placing.Handle(new SupervisorInput.Begin(Resumed: false), _now);
        placing.Handle(new SupervisorInput.Prepared(), _now);
        Assert.Empty(placing.Handle(new SupervisorInput.Stop("was stopped"), _now));
        Assert.Equal(new SupervisorEffect.Over(Finished: false), placing.Handle(new SupervisorInput.Placed(), _now)[^1]);

        var refused = new ProgramSupervisor(NoJitter, new Random(1), scheduled: true);
        refused.Handle(new SupervisorInput.Begin(Resumed: false), _now);
        refused.Handle(new SupervisorInput.Prepared(), _now);
        Assert.Equal(new SupervisorEffect.Over(Finished: false), refused.Handle(new SupervisorInput.LaunchFailed("no lease"), _now)[^1]);
        Assert.Equal(ProgramState.Failed, refused.State);
    }

    // Goal: no order of inputs makes it launch twice at a time, go on after Over, or forget a stop. Method: a fake world that answers
    // effects in random order, with stops and restarts at random moments.
    [Fact]
    public void No_order_of_events_runs_it_twice_or_loses_a_stop() => Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
    {
        var random = new Random(seed);
        var scheduled = random.Next(3) == 0;
        var supervisor = new ProgramSupervisor(new RestartPolicy(), new Random(seed), scheduled);
        var pending = new List<SupervisorInput> { new SupervisorInput.Begin(random.Next(2) == 0) };
        var (running, over, stopped, now) = (0, false, false, _now);
        for (var step = 0; step < 200 && !over; step++)
        {
            if (step == 150 || random.Next(60) == 0)
            {
                pending.Add(new SupervisorInput.Stop("stop"));
                stopped = true;
            }
            if (random.Next(20) == 0) pending.Add(new SupervisorInput.Restart("again"));
            if (scheduled && random.Next(5) == 0) pending.Add(new SupervisorInput.Due(step, "due"));
            if (pending.Count == 0)
            {
                Assert.False(stopped && running == 0, "a stopped program waits for nothing");
                continue;
            }
            var input = pending[random.Next(pending.Count)];
            pending.Remove(input);
            if (input is SupervisorInput.Exited) running--;
            now += TimeSpan.FromSeconds(random.Next(100));
            foreach (var effect in supervisor.Handle(input, now))
            {
                Assert.False(over);
                switch (effect)
                {
                    case SupervisorEffect.Prepare:
                        pending.Add(random.Next(3) == 0 ? new SupervisorInput.PrepareFailed("no") : new SupervisorInput.Prepared());
                        break;
                    case SupervisorEffect.TakePlace:
                        pending.Add(random.Next(4) == 0 ? new SupervisorInput.LaunchFailed("no") : new SupervisorInput.Placed());
                        break;
                    case SupervisorEffect.Launch when random.Next(4) == 0:
                        pending.Add(new SupervisorInput.LaunchFailed("no"));
                        break;
                    case SupervisorEffect.Launch:
                        Assert.Equal(0, running++);
                        pending.Add(new SupervisorInput.Launched());
                        break;
                    case SupervisorEffect.EndRun when !pending.Any(item => item is SupervisorInput.Exited):
                        pending.Add(new SupervisorInput.Exited(new RunExit(143, RunExitReason.Stopped)));
                        break;
                    case SupervisorEffect.SetAlarm alarm:
                        pending.Add(new SupervisorInput.Alarm(alarm.Number));
                        break;
                    case SupervisorEffect.Over:
                        over = true;
                        break;
                }
            }
            // A running program crashes or finishes now and then.
            if (supervisor.State == ProgramState.Running && running == 1 && !pending.Any(item => item is SupervisorInput.Exited) && random.Next(3) == 0)
                pending.Add(new SupervisorInput.Exited(new RunExit(random.Next(8) == 0 ? 0 : 1, RunExitReason.Exited)));
        }
        Assert.True(over || !stopped);
        Assert.True(!over || running == 0);
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    private ProgramSupervisor Resting()
    {
        var supervisor = new ProgramSupervisor(NoJitter, new Random(1), scheduled: true);
        supervisor.Handle(new SupervisorInput.Begin(Resumed: false), _now);
        Assert.Equal([new SupervisorEffect.TakePlace()], supervisor.Handle(new SupervisorInput.Prepared(), _now));
        Assert.Empty(supervisor.Handle(new SupervisorInput.Placed(), _now));
        Assert.Equal(ProgramState.Scheduled, supervisor.State);
        return supervisor;
    }

    private IReadOnlyList<SupervisorEffect> Handle(SupervisorInput input) => _supervisor.Handle(input, _now);

    private void Run()
    {
        Handle(new SupervisorInput.Begin(Resumed: false));
        Handle(new SupervisorInput.Prepared());
        Handle(new SupervisorInput.Launched());
    }

    private static SupervisorEffect.SetAlarm Alarm(IReadOnlyList<SupervisorEffect> effects) => Assert.Single(effects.OfType<SupervisorEffect.SetAlarm>());

    private TimeSpan CrashAndRunAgain(TimeSpan after)
    {
        _now += after;
        var alarm = Alarm(Handle(new SupervisorInput.Exited(Crash)));
        Assert.IsType<SupervisorEffect.Launch>(Handle(new SupervisorInput.Alarm(alarm.Number))[^1]);
        Handle(new SupervisorInput.Launched());
        return alarm.After;
    }
}
