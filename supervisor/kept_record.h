// The record of a session as its monitor keeps it in the session's directory.
#ifndef SUPERVISOR_KEPT_RECORD_H_
#define SUPERVISOR_KEPT_RECORD_H_

#include "absl/status/status.h"
#include "policy/policy_compiler.h"
#include "supervisor/session_record.h"
#include "supervisor/session_store.h"

namespace sessionctl {

class KeptRecord {
 public:
  // What it says; written by the functions below.
  SessionRecord value;

  // Writes it for the first time, in a directory that is not published yet, and keeps room on the
  // disk for the last one, which must not be lost because the disk is full by then. `directory`
  // must stay. Errors: those of writing.
  absl::Status Begin(const SessionDirectory& directory);
  // What the session's compiled policy says. Writes nothing.
  void Describe(const CompiledPolicy& policy);
  // A full disk must not end a session; the lock tells the truth about its life.
  void Save() const;
  // For the last time: on disk on return, if there is any way.
  void SaveLast() const;

 private:
  const SessionDirectory* directory_ = nullptr;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_KEPT_RECORD_H_
