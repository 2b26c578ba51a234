// Route of the control API that starts sessions: POST /v1/sessions.
#include <algorithm>
#include <utility>

#include "fleet/api.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "policy/environment_rules.h"
#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr int kMaxCount = 10'000;
// Of who names none. One that is named is taken as it stands.
constexpr char kDefaultPolicy[] = "extends = [\"default\"]\n";
// Of one request in the supervisor's queue: another client's start waits behind so many at most.
constexpr int kWindow = 32;

ordered_json ResultToJson(const SpawnResult& result) {
  return {{"id", result.id},
          {"name", result.name},
          {"exit_code", result.exit_code},
          {"message", result.message}};
}

// The starts of one request.
class Batch : public std::enable_shared_from_this<Batch> {
 public:
  Batch(Api& api, ExchangePtr exchange, SpawnSpec spec, int count)
      : api_(api), exchange_(std::move(exchange)), spec_(std::move(spec)), count_(count) {
    lines_ = exchange_->request().accept.find("application/x-ndjson") != std::string::npos;
  }

  void Start() {
    // Who asked has gone: what has not begun is not begun.
    exchange_->OnGone([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->count_ = self->next_;
    });
    if (lines_) exchange_->BeginStream(201, "application/x-ndjson", "");
    Feed();
  }

 private:
  void Feed() {
    while (next_ < count_ && next_ - finished_ < kWindow) {
      SpawnSpec spec = spec_;
      if (count_all_ > 1 && !spec.name.empty()) spec.name += "-" + std::to_string(next_ + 1);
      const int index = next_++;
      results_.emplace_back();
      api_.supervisor.Spawn(
          std::move(spec), [self = shared_from_this(), index,
                            begun = std::chrono::steady_clock::now()](const SpawnResult& result) {
            const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
            self->api_.metrics.ObserveStart(taken.count(), result.exit_code == 0);
            self->Finish(index, result);
          });
    }
  }

  void Finish(int index, const SpawnResult& result) {
    ++finished_;
    started_ += result.exit_code == 0;
    // A policy that does not start once will not start a thousand times.
    if (result.exit_code != 0 && started_ == 0) count_ = next_;
    results_[static_cast<size_t>(index)] = ResultToJson(result);
    if (lines_) WriteLines();
    Feed();
    if (finished_ < count_ || finished_ < next_) return;
    if (lines_) return exchange_->End();
    exchange_->Reply(JsonReply(201, ordered_json(results_)));
  }

  // In the order of the names, each as soon as those before it have been written.
  void WriteLines() {
    for (; written_ < results_.size() && !results_[written_].is_null(); ++written_) {
      exchange_->Write(DumpLine(std::exchange(results_[written_], nullptr)));
    }
  }

  Api& api_;
  ExchangePtr exchange_;
  const SpawnSpec spec_;
  int count_;
  const int count_all_ = count_;
  bool lines_ = false;
  int next_ = 0, finished_ = 0, started_ = 0;
  size_t written_ = 0;
  std::vector<ordered_json> results_;
};

std::optional<FieldError> ReadCount(const ordered_json& body, int& count) {
  BodyFields fields(body);
  count = static_cast<int>(fields.Integer("count", 1, kMaxCount).value_or(1));
  std::optional<FieldError> wrong = fields.Wrong();  // the other members are a spec's
  return wrong.has_value() && wrong->field == "count" ? wrong : std::nullopt;
}

// What is wrong with the policy, as far as it can be said without looking at the machine.
std::string PolicyProblem(const absl::StatusOr<SessionPolicy>& policy) {
  if (!policy.ok()) return std::string(policy.status().message());
  if (!policy->process.keep_fds.empty()) {
    return "process.keep_fds: a session of the supervisor inherits no descriptors";
  }
  return "";
}

void Create(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  SpawnSpec spec;
  int count = 1;
  if (Refused(exchange, SpecFromJson(*body, /*internal=*/false, spec))) return;
  if (Refused(exchange, ReadCount(*body, count))) return;
  if (!body->contains("policy")) spec.policy = kDefaultPolicy;
  if (spec.policy.size() > kMaxPolicy) {
    return exchange->Reply(Problem(400, "invalid", "larger than 256 KiB", "policy"));
  }
  const absl::StatusOr<SessionPolicy> policy = ParsePolicy(spec.policy, "policy");
  if (const std::string wrong = PolicyProblem(policy); !wrong.empty()) {
    return exchange->Reply(Problem(400, "policy", wrong, "policy"));
  }
  spec.environment = PassingVariables(policy->environment, spec.environment);
  if (const absl::Status room = api.supervisor.Admit(count); !room.ok()) {
    return exchange->Reply(ProblemOf(room, "count"));
  }
  std::make_shared<Batch>(api, exchange, std::move(spec), count)->Start();
}

}  // namespace

std::vector<Route> StartRoutes() { return {{"POST", "/v1/sessions", Create}}; }

}  // namespace sessionctl
