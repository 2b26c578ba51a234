// Random programs of file-system calls, bare and in sessions: is everything the same? Exit code 0:
// yes; 1: a difference, which is printed, minimised, in a form that --replay takes; 2: the run
// itself failed; 77: not root, who alone can build every scene.
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/differential/batch.h"
#include "tests/differential/compare.h"
#include "tests/differential/generator.h"
#include "tests/differential/minimiser.h"
#include "tests/differential/settings_watch.h"

namespace differential {
namespace {

constexpr char kUsage[] =
    "usage: run [--programs N] [--seed S] [--user root|nobody|UID] [--view host|private]\n"
    "           [--replay FILE] [--first INDEX]\n"
    "           [--jobs N] [--scratch DIRECTORY] [--print] [--lie OP] [--session-arg ARG]\n"
    "  --programs N      random programs, each bare and in sessions with scope writes and all "
    "(300)\n"
    "  --seed S          the same seed gives the same programs (1)\n"
    "  --user WHO        who runs them (root)\n"
    "  --view WHICH      the sessions' view; an ordinary user's bare run is then in such a user\n"
    "                    namespace as a private view of his (host)\n"
    "  --replay FILE     the programs of FILE instead\n"
    "  --first INDEX     begin with this program of the seed\n"
    "  --jobs N          batches at a time (one a processor)\n"
    "  --scratch DIR     work there instead of $TMPDIR or /tmp: another file system\n"
    "  --counts          how often each call was made, and with success\n"
    "  --print           print the programs with what came of them, bare and inside\n"
    "  --lie OP          the executor falsifies OP's EEXIST in sessions: the tester must see it\n"
    "  --session-arg ARG one more argument for sessionctl run\n";

struct Options {
  Setting setting;
  uint64_t programs = 300;
  uint64_t seed = 1;
  uint64_t first = 0;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  std::string replay;
  bool print = false;
  bool counts = false;
};

bool ParseUser(const std::string& word, uid_t* user) {
  if (word == "root") {
    *user = 0;
  } else if (word == "nobody") {
    *user = 65534;
  } else {
    char* end;
    *user = static_cast<uid_t>(strtoul(word.c_str(), &end, 10));
    return *end == '\0' && !word.empty();
  }
  return true;
}

bool ParseOptions(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--print" || name == "--counts") {
      (name == "--print" ? options->print : options->counts) = true;
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    if (name == "--programs") {
      options->programs = strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--seed") {
      options->seed = strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--first") {
      options->first = strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--jobs") {
      options->jobs = static_cast<unsigned>(strtoul(value.c_str(), nullptr, 10));
    } else if (name == "--replay") {
      options->replay = value;
    } else if (name == "--scratch") {
      options->setting.scratch = value;
    } else if (name == "--lie") {
      options->setting.lie = value;
    } else if (name == "--session-arg") {
      options->setting.session_args.push_back(value);
    } else if (name == "--view" && (value == "host" || value == "private")) {
      options->setting.private_view = value == "private";
    } else if (name != "--user" || !ParseUser(value, &options->setting.user)) {
      return false;
    }
  }
  return options->jobs > 0;
}

struct Finding {
  long count = 0;
  Way way;
  Program program;
  Difference difference;
};

struct Counts {
  long made = 0;
  long successful = 0;
};

// All batches of a run, by several threads; what they find is put together here.
class Tester {
 public:
  Tester(const Options& options, std::vector<Program> replayed)
      : options_(options), replayed_(std::move(replayed)) {
    total_ = replayed_.empty() ? options.programs : replayed_.size();
  }

  int Run() {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options_.jobs; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    Report();
    if (failed_) return 2;
    return findings_.empty() ? 0 : 1;
  }

 private:
  static constexpr size_t kMinimised = 12;  // signatures; the others are only counted

  Program At(uint64_t index) const {
    if (!replayed_.empty()) return replayed_[index];
    return Generate(options_.seed, options_.first + index);
  }

  void Work() {
    Batch batch(options_.setting);
    while (!failed_) {
      const uint64_t begin = next_.fetch_add(kMaxPrograms);
      if (begin >= total_) return;
      std::vector<Program> programs;
      for (uint64_t i = begin; i < total_ && i < begin + kMaxPrograms; ++i) {
        programs.push_back(At(i));
      }
      if (!RunBatch(&batch, programs)) failed_ = true;
    }
  }

  bool RunBatch(Batch* batch, const std::vector<Program>& programs) {
    std::map<Way, std::vector<differential::Run>> runs;
    uint64_t changes;
    do {
      changes = settings_.changes();
      for (const Way way : kAllWays) {
        if (!batch->RunAll(programs, way, &runs[way])) return false;
      }
    } while (changes != settings_.changes());
    for (const Way way : {Way::kWrites, Way::kAll}) {
      for (size_t i = 0; i < programs.size(); ++i) {
        const differential::Run& bare = runs[Way::kBare][i];
        if (options_.print) Print(programs[i], way, bare, runs[way][i]);
        Look(batch, programs[i], way, bare, runs[way][i]);
      }
    }
    done_ += programs.size();
    Count(programs, runs[Way::kBare]);
    return true;
  }

  void Look(Batch* batch, const Program& program, Way way, const differential::Run& bare,
            const differential::Run& inside) {
    ExceptionCounts counts;
    Difference difference = Compare(program, bare, inside, &counts);
    bool minimise = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& [id, count] : counts) exceptions_[id] += count;
      if (!difference.found) return;
      Finding& finding = findings_[difference.signature];
      if (++finding.count == 1) {
        finding.way = way;
        finding.program = program;
        finding.difference = difference;
        minimise = findings_.size() <= kMinimised;
      }
    }
    if (!minimise) return;
    const std::string signature = difference.signature;
    printf("found in %s, %s: %s\n%s", program.name.c_str(), WayName(way), signature.c_str(),
           difference.text.c_str());
    fflush(stdout);
    Program smallest = Minimise(batch, program, way, &difference);
    const std::lock_guard<std::mutex> lock(mutex_);
    findings_[signature].program = std::move(smallest);
    Finding& finding = findings_[signature];
    finding.difference = std::move(difference);
    PrintFinding(signature, finding);
  }

  static void PrintFinding(const std::string& signature, const Finding& finding) {
    printf("\nDIFFERENCE: %s\n  in %s, %s\n%s%s", signature.c_str(), finding.program.name.c_str(),
           WayName(finding.way), finding.difference.text.c_str(), ToText(finding.program).c_str());
    fflush(stdout);
  }

  void Count(const std::vector<Program>& programs, const std::vector<differential::Run>& runs) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < programs.size(); ++i) {
      for (size_t step = 0; step < programs[i].steps.size(); ++step) {
        const StepResult& result = runs[i].result.steps[step];
        if (result.state != StepResult::kDone) continue;
        Counts& counts = counts_[programs[i].steps[step].op];
        ++counts.made;
        ++steps_;
        if (result.value < 0) continue;
        ++counts.successful;
        ++successes_;
      }
    }
  }

  void Print(const Program& program, Way way, const differential::Run& bare,
             const differential::Run& inside) {
    const std::lock_guard<std::mutex> lock(mutex_);
    printf("# %s\n", WayName(way));
    for (size_t i = 0; i < program.steps.size(); ++i) {
      const std::string a = Describe(bare.result.steps[i]);
      const std::string b = Describe(inside.result.steps[i]);
      printf("%s\n#   %s%s\n", ToText(program.steps[i]).c_str(), a.c_str(),
             a == b ? "" : ("   inside: " + b).c_str());
    }
  }

  void ReportCounts() const {
    for (const auto& [op, counts] : counts_) {
      printf("%-16s made %7ld, successful %7ld (%ld %%)\n", op.c_str(), counts.made,
             counts.successful, counts.successful * 100 / counts.made);
    }
  }

  void Report() const {
    if (options_.counts) ReportCounts();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    for (const auto& [signature, finding] : findings_) {
      printf("difference, %ld times: %s (%s)\n", finding.count, signature.c_str(),
             finding.program.name.c_str());
    }
    printf(
        "\nseed %llu, user %u, %s view: %llu programs, each bare and in two sessions, in %.0f s; "
        "%ld steps "
        "bare, %ld of them successful; %zu kinds of differences\n",
        static_cast<unsigned long long>(options_.seed), options_.setting.user,
        options_.setting.private_view ? "private" : "host's",
        static_cast<unsigned long long>(done_), seconds, steps_, successes_, findings_.size());
    for (const auto& [id, count] : exceptions_) {
      printf("exception %s (docs/fidelity.md): %ld times\n", id.c_str(), count);
    }
  }

  const Options& options_;
  const std::vector<Program> replayed_;
  const SettingsWatch settings_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  uint64_t total_ = 0;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::map<std::string, Finding> findings_;
  ExceptionCounts exceptions_;
  std::map<std::string, Counts> counts_;
  long steps_ = 0;
  long successes_ = 0;
};

std::optional<std::vector<Program>> ReadPrograms(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::string error = "no program in it";
  std::optional<std::vector<Program>> programs = FromText(text.str(), &error);
  if (file && programs.has_value() && !programs->empty()) return programs;
  fprintf(stderr, "%s: %s\n", path.c_str(), error.c_str());
  return std::nullopt;
}

std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

int Main(int argc, char** argv) {
  Options options;
  options.setting.sessionctl = FromEnvironment("SESSIONCTL", SESSIONCTL_BUILT);
  options.setting.executor = DIFFERENTIAL_EXECUTOR;
  if (!ParseOptions(argc, argv, &options)) {
    fputs(kUsage, stderr);
    return 2;
  }
  if (geteuid() != 0) {
    fputs("skipped: root is needed to build scenes with several owners\n", stderr);
    return 77;
  }
  std::vector<Program> replayed;
  if (!options.replay.empty()) {
    std::optional<std::vector<Program>> programs = ReadPrograms(options.replay);
    if (!programs.has_value()) return 2;
    replayed = *std::move(programs);
    options.jobs = 1;
  }
  return Tester(options, std::move(replayed)).Run();
}

}  // namespace
}  // namespace differential

int main(int argc, char** argv) { return differential::Main(argc, argv); }
