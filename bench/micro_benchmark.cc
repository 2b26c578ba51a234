// The parts of a mediated call and of a session's start that are the product's own, each by itself:
// what a change of one of them costs or saves, without the noise of two processes. The whole call
// is measured by bench/run.sh.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "policy/access_check.h"
#include "policy/glob_set.h"
#include "policy/policy_compiler.h"
#include "policy/policy_parser.h"
#include "sandbox/kernel_features.h"
#include "sandbox/seccomp_filter.h"
#include "supervisor/mediator/path_resolver.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

// A directory with one mount in it; the calling process is its own caller.
class Scene {
 public:
  Scene() {
    std::string pattern = "/tmp/micro_benchmark.XXXXXX";
    root_ = fs::canonical(mkdtemp(pattern.data()));
    fs::create_directories(root_ / "mount/a/b/c/d/e/f/g/h");
    for (const char* file : {"mount/file", "mount/a/b/c/d/e/f/g/h/file"}) {
      close(open((root_ / file).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    }
    Mount mount;
    mount.host = mount.guest = mount.alias = root_ / "mount";
    policy_.mounts.push_back(mount);
    policy_.filesystem.view = ViewRule::kHost;  // this process stands in it
    fs::current_path(root_ / "mount");
  }
  ~Scene() {
    fs::current_path("/");
    fs::remove_all(root_);
  }
  std::string Absolute(const std::string& name) const { return root_ / "mount" / name; }
  SessionPolicy& policy() { return policy_; }
  CompiledPolicy Compile() const {
    absl::StatusOr<CompiledPolicy> compiled =
        CompilePolicy(policy_, {"benchmark", "nobody"}, ProbeKernelFeatures(), MediatedCalls());
    if (!compiled.ok()) abort();
    return *std::move(compiled);
  }

 private:
  fs::path root_;
  SessionPolicy policy_;
};

std::vector<std::string> Patterns(int64_t count) {
  std::vector<std::string> patterns;
  for (int64_t i = 0; i < count; ++i)
    patterns.push_back("**/secret-" + std::to_string(i) + "*.key");
  return patterns;
}

void BM_GlobMatch(benchmark::State& state) {
  const absl::StatusOr<GlobSet> globs = GlobSet::Compile(Patterns(state.range(0)));
  if (!globs.ok()) abort();
  for (auto unused : state)
    benchmark::DoNotOptimize(globs->Match("project/src/lib/module/file.cc"));
}
BENCHMARK(BM_GlobMatch)->Arg(1)->Arg(10)->Arg(100)->Arg(1000);

void BM_CheckAccess(benchmark::State& state) {
  Scene scene;
  scene.policy().mounts[0].deny = Patterns(state.range(0));
  const CompiledPolicy policy = scene.Compile();
  AccessRequest request;
  request.operation = Operation::kWrite;
  request.mount = &policy.mounts[0];
  request.path = "project/src/lib/module/file.cc";
  request.is_regular = true;
  for (auto unused : state) benchmark::DoNotOptimize(CheckAccess(policy, request));
}
BENCHMARK(BM_CheckAccess)->Arg(0)->Arg(10);

void Resolve(benchmark::State& state, const Scene& scene, const std::string& path) {
  const CompiledPolicy policy = scene.Compile();
  absl::StatusOr<SessionView> view = SessionView::Create(policy);
  if (!view.ok()) abort();
  RemoteTask task(view->proc(), gettid());
  Refusal refusal;
  const PathResolver resolver(*view, task, refusal);
  for (auto unused : state) {
    if (!resolver.Object(CallerPath{AT_FDCWD, path}, true).ok()) abort();
  }
}

void BM_ResolveRelative(benchmark::State& state) {
  const Scene scene;
  Resolve(state, scene, "file");
}
BENCHMARK(BM_ResolveRelative);

void BM_ResolveAbsolute(benchmark::State& state) {
  const Scene scene;
  Resolve(state, scene, scene.Absolute("file"));
}
BENCHMARK(BM_ResolveAbsolute);

void BM_ResolveDeep(benchmark::State& state) {
  const Scene scene;
  Resolve(state, scene, "a/b/c/d/e/f/g/h/file");
}
BENCHMARK(BM_ResolveDeep);

void BM_ProbeKernelFeatures(benchmark::State& state) {
  for (auto unused : state) benchmark::DoNotOptimize(ProbeKernelFeatures());
}
BENCHMARK(BM_ProbeKernelFeatures);

void BM_CompilePolicy(benchmark::State& state) {
  const Scene scene;
  for (auto unused : state) benchmark::DoNotOptimize(scene.Compile());
}
BENCHMARK(BM_CompilePolicy);

void BM_CompileFilter(benchmark::State& state) {
  const Scene scene;
  const CompiledPolicy policy = scene.Compile();
  for (auto unused : state) {
    if (!CompileFilter(policy.filter).ok()) abort();
  }
}
BENCHMARK(BM_CompileFilter);

}  // namespace
}  // namespace sessionctl
