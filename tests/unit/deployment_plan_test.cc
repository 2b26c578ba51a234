#include "fleet/deployment_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/deployment_policy.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

WantedDeployment Wanted(const std::string& entries, int version = 1) {
  const std::string text = absl::StrCat(
      "[deployment]\nname = \"d\"\n[[session]]\nname = \"a\"\ncommand = [\"true\"]\n", entries);
  absl::StatusOr<Deployment> deployment = ParseDeployment(text, "d.toml");
  EXPECT_TRUE(deployment.ok()) << deployment.status();
  return {deployment.ok() ? *deployment : Deployment(), version};
}

// A deployment of one [[session]] "a" and the sessions there are of it.
class Fleet {
 public:
  explicit Fleet(const std::string& entries) : wanted(Wanted(entries)) {}

  PlacedSession& Add(int replica, const std::string& session = "a") {
    PlacedSession added;
    added.id = absl::StrCat("id", ++last_id_);
    added.place = {.deployment = "d", .session = session, .replica = replica, .version = 1};
    added.place.definition = DefinitionId(wanted.deployment, wanted.deployment.sessions[0]);
    added.created = absl::StrCat("2026-01-01T00:00:00.00", last_id_, "Z");
    found.push_back(added);
    return found.back();
  }
  PlacedSession& Alive(int replica) {
    PlacedSession& session = Add(replica);
    session.alive = session.ready = true;
    return session;
  }
  PlacedSession& Ended(int replica, int code, Milliseconds run, Milliseconds age) {
    PlacedSession& session = Add(replica);
    session.exit = SessionExit{.code = code, .reason = "exited"};
    session.ready = true;
    session.run = run;
    session.age = age;
    return session;
  }
  Actions Look() const { return Reconcile(wanted, found, starting); }
  std::vector<PlanLine> Plan(const WantedDeployment& after) const {
    return PlanDeployment(wanted, after.deployment, found);
  }

  WantedDeployment wanted;
  std::vector<PlacedSession> found;
  std::vector<PlaceName> starting;

 private:
  int last_id_ = 0;
};

std::vector<int> Started(const Actions& actions) {
  std::vector<int> replicas;
  for (const PlaceStart& start : actions.start) replicas.push_back(start.place.replica);
  return replicas;
}

constexpr Milliseconds kShortHold{100};
constexpr Milliseconds kLongHold{20'000};

TEST(Reconcile, StartsEveryPlaceOfANewDeployment) {
  Fleet fleet("replicas = 3\n");
  const Actions actions = fleet.Look();
  EXPECT_THAT(Started(actions), ElementsAre(1, 2, 3));
  const SessionPlace& place = actions.start[0].place;
  EXPECT_EQ(place.deployment, "d");
  EXPECT_EQ(place.session, "a");
  EXPECT_EQ(place.restarts, 0);
  EXPECT_EQ(place.version, 1);
  EXPECT_EQ(place.definition.size(), 32U);
  EXPECT_FALSE(actions.again);
}

TEST(Reconcile, DoesNothingWhenAllIsAsWanted) {
  Fleet fleet("replicas = 2\n");
  fleet.Alive(1);
  fleet.Alive(2);
  const Actions actions = fleet.Look();
  EXPECT_THAT(actions.start, IsEmpty());
  EXPECT_THAT(actions.stop, IsEmpty());
  EXPECT_THAT(actions.remove, IsEmpty());
  EXPECT_EQ(actions.places.size(), 2U);
  EXPECT_EQ(actions.places[1].state, PlaceState::kRunning);
}

TEST(Reconcile, LeavesAPlaceAloneWhoseStartIsUnderWay) {
  Fleet fleet("replicas = 2\n");
  fleet.starting = {{"a", 1}};
  EXPECT_THAT(Started(fleet.Look()), ElementsAre(2));
}

TEST(Reconcile, ScalingDownStopsTheHighestAndForgetsThem) {
  Fleet fleet("replicas = 1\n");
  fleet.Alive(1);
  fleet.Alive(2);
  fleet.Ended(3, 0, kShortHold, kShortHold);
  const Actions actions = fleet.Look();
  EXPECT_THAT(actions.stop, ElementsAre("id2"));
  EXPECT_THAT(actions.remove, ElementsAre("id3"));
}

TEST(Reconcile, SessionOfARemovedMemberIsStopped) {
  Fleet fleet("");
  fleet.Alive(1);
  fleet.Add(1, "old").alive = true;
  EXPECT_THAT(fleet.Look().stop, ElementsAre("id2"));
}

TEST(Reconcile, ChangedDefinitionStopsThenStartsWithoutAPast) {
  Fleet fleet("restart = \"always\"\n");
  PlacedSession& session = fleet.Alive(1);
  session.place.definition = "other";
  session.place.failures = 4;
  EXPECT_THAT(fleet.Look().stop, ElementsAre("id1"));
  EXPECT_THAT(fleet.Look().start, IsEmpty());  // one of a place at a time
  session.stopping = true;
  EXPECT_THAT(fleet.Look().stop, IsEmpty());  // asked once
  session.alive = false;
  session.exit = SessionExit{.code = 0, .reason = "stopped"};
  const Actions actions = fleet.Look();
  ASSERT_THAT(Started(actions), ElementsAre(1));
  EXPECT_EQ(actions.start[0].place.failures, 0);
  EXPECT_EQ(actions.start[0].place.restarts, 0);
}

TEST(Reconcile, OfTwoThatLiveInOnePlaceOneIsStopped) {
  Fleet fleet("");
  fleet.Alive(1);
  fleet.Alive(1);
  EXPECT_THAT(fleet.Look().stop, ElementsAre("id2"));
  fleet.found[0].place.definition = "other";
  EXPECT_THAT(fleet.Look().stop, ElementsAre("id1"));  // the one of today's definition stays
}

TEST(Reconcile, KeepsTheLatestEndedSessionOfAPlaceOnly) {
  Fleet fleet("restart = \"always\"\n");
  fleet.Ended(1, 1, kShortHold, kShortHold);
  fleet.Ended(1, 1, kShortHold, kShortHold).place.restarts = 1;
  fleet.Alive(1).place.restarts = 2;
  EXPECT_THAT(fleet.Look().remove, ElementsAre("id1"));
}

TEST(Reconcile, LatestIsToldByRestartsWhateverTheClockSays) {
  Fleet fleet("restart = \"always\"\n");
  PlacedSession& latest = fleet.Ended(1, 1, kShortHold, kShortHold);
  latest.place.restarts = 2;
  latest.created = "1970-01-01T00:00:00.000Z";  // the clock went back before it began
  fleet.Ended(1, 1, kShortHold, kShortHold).place.restarts = 1;
  EXPECT_THAT(fleet.Look().remove, ElementsAre("id2"));
}

struct EndCase {
  const char* name;
  const char* entries;
  SessionExit exit;
  Milliseconds run;
  int failures;  // before this run
  PlaceState state;
  bool starts = false;
};

class ReconcileEnds : public ::testing::TestWithParam<EndCase> {};

TEST_P(ReconcileEnds, FollowTheRestartRule) {
  Fleet fleet(GetParam().entries);
  PlacedSession& session = fleet.Ended(1, 0, GetParam().run, Milliseconds(0));
  session.exit = GetParam().exit;
  session.place.failures = GetParam().failures;
  const Actions actions = fleet.Look();
  EXPECT_EQ(actions.places.at(0).state, GetParam().state);
  EXPECT_EQ(!actions.start.empty(), GetParam().starts);
  EXPECT_THAT(actions.remove, IsEmpty());
}

SessionExit Exited(int code) { return {.code = code, .reason = "exited"}; }

INSTANTIATE_TEST_SUITE_P(
    All, ReconcileEnds,
    ::testing::Values(
        EndCase{"NeverAfterSuccess", "", Exited(0), kLongHold, 0, PlaceState::kCompleted},
        EndCase{"NeverAfterFailure", "", Exited(1), kLongHold, 0, PlaceState::kFailed},
        EndCase{"OnFailureAfterSuccess", "restart = \"on-failure\"\n", Exited(0), kLongHold, 0,
                PlaceState::kCompleted},
        EndCase{"OnFailureAfterFailure", "restart = \"on-failure\"\n", Exited(1), kShortHold, 0,
                PlaceState::kBackoff},
        EndCase{"OnFailureAfterALongRun", "restart = \"on-failure\"\n", Exited(1), kLongHold, 7,
                PlaceState::kWaiting, true},
        EndCase{"OnFailureAfterASignal",
                "restart = \"on-failure\"\n",
                {.signal = 9, .reason = "signal"},
                kShortHold,
                0,
                PlaceState::kBackoff},
        EndCase{"OnFailureAfterATimeLimit",
                "restart = \"on-failure\"\n",
                {.code = 124, .reason = "wall_time"},
                kShortHold,
                0,
                PlaceState::kBackoff},
        EndCase{"OnFailureLost",
                "restart = \"on-failure\"\n",
                {.reason = "monitor lost"},
                kShortHold,
                0,
                PlaceState::kBackoff},
        EndCase{"AlwaysAfterSuccess", "restart = \"always\"\n", Exited(0), kShortHold, 0,
                PlaceState::kBackoff},
        EndCase{"AlwaysStoppedByAPerson",
                "restart = \"always\"\n",
                {.code = 0, .signal = 15, .reason = "stopped"},
                kLongHold,
                0,
                PlaceState::kStopped},
        EndCase{"AlwaysBeforeTheLimit", "restart = \"always\"\nrestart_limit = 3\n", Exited(1),
                kShortHold, 1, PlaceState::kBackoff},
        EndCase{"AlwaysAtTheLimit", "restart = \"always\"\nrestart_limit = 3\n", Exited(1),
                kShortHold, 2, PlaceState::kCrashLoop},
        EndCase{"AlwaysWithoutALimit", "restart = \"always\"\nrestart_limit = 0\n", Exited(1),
                kShortHold, 500, PlaceState::kBackoff}),
    [](const auto& test) { return test.param.name; });

TEST(Reconcile, SessionThatWasNeverReadyWasNotHealthy) {
  Fleet fleet("restart = \"always\"\nrestart_limit = 1\n");
  fleet.Ended(1, 1, kLongHold, Milliseconds(0)).ready = false;
  EXPECT_EQ(fleet.Look().places.at(0).state, PlaceState::kCrashLoop);
}

TEST(Reconcile, EndThatNobodyKnowsCountsAsAFailure) {
  Fleet fleet("restart = \"on-failure\"\n");
  fleet.Ended(1, 0, kShortHold, Milliseconds(0)).exit = std::nullopt;
  EXPECT_EQ(fleet.Look().places.at(0).state, PlaceState::kBackoff);
}

TEST(Reconcile, BackoffEndsAfterItsDelayAndCountsTheRestart) {
  Fleet fleet("restart = \"always\"\nrestart_delay = \"4s\"\n");
  PlacedSession& session = fleet.Ended(1, 1, kShortHold, Milliseconds(3'999));
  session.place.restarts = 5;
  EXPECT_EQ(fleet.Look().again, Milliseconds(1));
  EXPECT_EQ(fleet.Look().places.at(0).restart_in, Milliseconds(1));
  session.age = Milliseconds(4'000);
  const Actions actions = fleet.Look();
  ASSERT_EQ(actions.start.size(), 1U);
  EXPECT_EQ(actions.start[0].place.restarts, 6);
  EXPECT_EQ(actions.start[0].place.failures, 1);
}

TEST(Reconcile, EndInTheFutureDelaysNoLongerThanTheDelay) {
  Fleet fleet("restart = \"always\"\n");
  fleet.Ended(1, 1, kShortHold, Milliseconds(-3'600'000));  // the clock was set back by an hour
  EXPECT_EQ(fleet.Look().again, Milliseconds(1'000));
}

TEST(Reconcile, SoonestOfSeveralWaitsIsTheNextLook) {
  Fleet fleet("restart = \"always\"\nreplicas = 2\nstart_timeout = \"700ms\"\n");
  fleet.Ended(1, 1, kShortHold, Milliseconds(100));
  fleet.Alive(2).ready = false;
  fleet.found[1].age = Milliseconds(500);
  EXPECT_EQ(fleet.Look().again, Milliseconds(200));
}

TEST(Reconcile, SessionThatIsNotReadyInTimeIsKilled) {
  Fleet fleet("start_timeout = \"1s\"\n");
  PlacedSession& session = fleet.Alive(1);
  session.ready = false;
  session.age = Milliseconds(999);
  EXPECT_THAT(fleet.Look().kill, IsEmpty());
  EXPECT_EQ(fleet.Look().places.at(0).state, PlaceState::kStarting);
  session.age = Milliseconds(1'000);
  EXPECT_THAT(fleet.Look().kill, ElementsAre("id1"));
  session.ready = true;
  EXPECT_THAT(fleet.Look().kill, IsEmpty());
}

TEST(Reconcile, ApplyingAgainStartsWhatFailedAndForgetsItsFailures) {
  Fleet fleet("restart = \"always\"\nrestart_limit = 1\nreplicas = 2\n");
  fleet.Ended(1, 1, kShortHold, kShortHold).place.failures = 3;
  fleet.Ended(2, 0, kLongHold, kShortHold).exit = SessionExit{.code = 0, .reason = "stopped"};
  EXPECT_THAT(fleet.Look().start, IsEmpty());
  fleet.wanted.version = 2;
  EXPECT_THAT(fleet.Look().start, IsEmpty());  // what ends later is not meant
  fleet.wanted.retried = {"id1", "id2"};
  const Actions actions = fleet.Look();
  ASSERT_THAT(Started(actions), ElementsAre(1, 2));
  EXPECT_EQ(actions.start[0].place.failures, 0);
  EXPECT_EQ(actions.start[0].place.version, 2);
}

TEST(Reconcile, ApplyingAgainLeavesWhatCompleted) {
  Fleet fleet("");
  fleet.Ended(1, 0, kShortHold, kShortHold);
  fleet.wanted.version = 2;
  fleet.wanted.retried = {"id1"};
  EXPECT_THAT(fleet.Look().start, IsEmpty());
  fleet.found[0].place.definition = "other";
  EXPECT_THAT(Started(fleet.Look()), ElementsAre(1));
}

TEST(Reconcile, RemovedDeploymentIsGoneWhenNothingIsLeft) {
  Fleet fleet("replicas = 3\nrestart = \"always\"\n");
  fleet.wanted.removing = true;
  fleet.Alive(1);
  fleet.Ended(2, 1, kShortHold, kLongHold);
  Actions actions = fleet.Look();
  EXPECT_THAT(actions.start, IsEmpty());
  EXPECT_THAT(actions.stop, ElementsAre("id1"));
  EXPECT_THAT(actions.remove, ElementsAre("id2"));
  EXPECT_FALSE(actions.gone);
  fleet.found.clear();
  fleet.starting = {{"a", 3}};
  EXPECT_FALSE(fleet.Look().gone);  // it may still come to life
  fleet.starting.clear();
  EXPECT_TRUE(fleet.Look().gone);
}

TEST(RestartDelay, DoublesUpToItsMaximum) {
  const RestartRule rule = {.delay = 1'000, .delay_max = 6'000};
  std::vector<int64_t> delays;
  for (int failures = 0; failures < 6; ++failures) {
    delays.push_back(RestartDelay(rule, failures).count());
  }
  EXPECT_THAT(delays, ElementsAre(0, 1'000, 2'000, 4'000, 6'000, 6'000));
  EXPECT_EQ(RestartDelay(rule, 1'000'000).count(), 6'000);
}

// Decides again and again, with time going by, what a place that always crashes at once gets.
TEST(Reconcile, CrashingCommandIsStartedOnADeterministicSchedule) {
  Fleet fleet("restart = \"on-failure\"\nrestart_limit = 5\nrestart_delay_max = \"3s\"\n");
  fleet.Ended(1, 1, kShortHold, Milliseconds(0));
  std::vector<int64_t> waits;
  for (;;) {
    const Actions actions = fleet.Look();
    if (!actions.again) break;
    waits.push_back(actions.again->count());
    fleet.found.back().age = *actions.again;
    const Actions then = fleet.Look();
    ASSERT_EQ(then.start.size(), 1U);
    PlacedSession& next = fleet.Ended(1, 1, kShortHold, Milliseconds(0));
    next.place = then.start[0].place;
  }
  EXPECT_THAT(waits, ElementsAre(1'000, 2'000, 3'000, 3'000));
  EXPECT_EQ(fleet.Look().places.at(0).state, PlaceState::kCrashLoop);
  EXPECT_EQ(fleet.Look().places.at(0).failures, 5);
}

TEST(PlanDeployment, NewDeploymentStartsAll) {
  const WantedDeployment after = Wanted("replicas = 3\n");
  const std::vector<PlanLine> plan = PlanDeployment(std::nullopt, after.deployment, {});
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].action, PlanAction::kStart);
  EXPECT_THAT(PlanText(plan), HasSubstr("+ start    a                        3  (1-3)\n"));
}

TEST(PlanDeployment, SameDeploymentKeepsAll) {
  Fleet fleet("replicas = 2\n");
  fleet.Alive(1);
  fleet.Alive(2);
  const std::vector<PlanLine> plan = fleet.Plan(fleet.wanted);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].action, PlanAction::kKeep);
  EXPECT_THAT(PlanText(plan), HasSubstr("nothing to do"));
}

TEST(PlanDeployment, ChangeNamesItsKeys) {
  Fleet fleet("replicas = 2\n");
  fleet.Alive(1);
  const std::vector<PlanLine> plan =
      fleet.Plan(Wanted("replicas = 2\nenvironment = { A = \"1\" }\nlimits = { pids = 9 }\n"));
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0].action, PlanAction::kReplace);
  EXPECT_EQ(plan[0].reason, "environment.set, limits.pids");
  EXPECT_EQ(plan[1].action, PlanAction::kStart);
}

TEST(PlanDeployment, SupervisorsOwnSettingsReplaceNothing) {
  Fleet fleet("");
  fleet.Alive(1);
  const std::vector<PlanLine> plan = fleet.Plan(Wanted("restart = \"always\"\n"));
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].action, PlanAction::kUpdate);
  EXPECT_EQ(plan[0].reason, "restart");
}

TEST(PlanDeployment, ScaleChangesCountsOnly) {
  Fleet fleet("replicas = 4\n");
  for (int replica = 1; replica <= 4; ++replica) fleet.Alive(replica);
  const std::vector<PlanLine> plan = fleet.Plan(Wanted("replicas = 2\n"));
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0].action, PlanAction::kKeep);
  EXPECT_EQ(plan[1].action, PlanAction::kStop);
  EXPECT_THAT(plan[1].replicas, ElementsAre(3, 4));
}

TEST(PlanDeployment, SessionsOfRemovedMembersStop) {
  Fleet fleet("");
  fleet.Alive(1);
  fleet.Add(2, "old").alive = true;
  const std::vector<PlanLine> plan = fleet.Plan(fleet.wanted);
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[1].action, PlanAction::kStop);
  EXPECT_EQ(plan[1].reason, "no longer in the file");
}

TEST(PlanDeployment, EndedPlacesSayWhatBecameOfThem) {
  Fleet fleet("replicas = 3\nrestart = \"on-failure\"\nrestart_limit = 1\n");
  fleet.Ended(1, 0, kLongHold, kLongHold);
  fleet.Ended(2, 1, kShortHold, kLongHold);
  fleet.Ended(3, 0, kLongHold, kLongHold).place.definition = "other";
  const std::vector<PlanLine> plan = fleet.Plan(fleet.wanted);
  ASSERT_EQ(plan.size(), 3U);
  EXPECT_EQ(plan[0].reason, "completed");
  EXPECT_EQ(plan[1].reason, "again: crash-loop");
  EXPECT_EQ(plan[2].reason, "changed since it ended");
}

// What the plan says is what Reconcile does, for whatever is found.
TEST(PlanDeployment, AgreesWithReconcile) {
  for (int seed = 0; seed < 3'000; ++seed) {
    Fleet fleet("replicas = 3\nrestart = \"on-failure\"\nrestart_limit = 2\n");
    for (int i = 0, n = seed % 6; i < n; ++i) {
      const int bits = (seed / 6) * 7919 + i * 104729;
      PlacedSession& session = fleet.Ended(1 + bits % 4, bits / 4 % 2, kShortHold, kLongHold);
      session.alive = bits / 8 % 2 == 1;
      if (session.alive) session.exit.reset();
      session.place.restarts = bits / 16 % 3;
      session.place.failures = bits / 48 % 3;
      if (bits / 144 % 3 == 0) session.place.definition = "other";
    }
    int planned_starts = 0;
    int planned_stops = 0;
    for (const PlanLine& line : fleet.Plan(fleet.wanted)) {
      const int count = static_cast<int>(line.replicas.size());
      if (line.action == PlanAction::kStart) planned_starts += count;
      if (line.action == PlanAction::kStop || line.action == PlanAction::kReplace) {
        planned_stops += count;
      }
    }
    fleet.wanted.version = 2;
    for (const PlacedSession& session : fleet.found) {
      if (!session.alive) fleet.wanted.retried.insert(session.id);
    }
    const Actions actions = fleet.Look();
    int surplus = 0;
    std::set<PlaceName> living;
    for (const PlacedSession& session : fleet.found) {
      if (session.alive && !living.insert({"a", session.place.replica}).second) ++surplus;
    }
    EXPECT_EQ(actions.start.size(), static_cast<size_t>(planned_starts)) << seed;
    EXPECT_EQ(actions.stop.size(), static_cast<size_t>(planned_stops + surplus)) << seed;
    std::set<PlaceName> started;
    for (const PlaceStart& start : actions.start) {
      const PlaceName name{start.place.session, start.place.replica};
      EXPECT_TRUE(started.insert(name).second) << seed;
      EXPECT_FALSE(living.contains(name)) << "a second session of one place, seed " << seed;
    }
  }
}

TEST(RangesText, JoinsNeighbours) {
  EXPECT_EQ(RangesText({}), "");
  EXPECT_EQ(RangesText({7}), "7");
  EXPECT_EQ(RangesText({1, 2, 3, 5, 7, 8}), "1-3,5,7-8");
}

}  // namespace
}  // namespace sessionctl
