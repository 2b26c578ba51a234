#include "sandbox/base/thread.h"

#include <pthread.h>

namespace sessionctl {
namespace {

bool Start(int detach_state, void* (*main)(void*), void* argument, pthread_t* thread) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kThreadStack);
  pthread_attr_setdetachstate(&attributes, detach_state);
  const bool started = pthread_create(thread, &attributes, main, argument) == 0;
  pthread_attr_destroy(&attributes);
  return started;
}

}  // namespace

bool StartDetachedThread(void* (*main)(void*), void* argument) {
  pthread_t thread;
  return Start(PTHREAD_CREATE_DETACHED, main, argument, &thread);
}

bool RunOnThread(void* (*main)(void*), void* argument) {
  pthread_t thread;
  return Start(PTHREAD_CREATE_JOINABLE, main, argument, &thread) &&
         pthread_join(thread, nullptr) == 0;
}

}  // namespace sessionctl
