#include "agent/instance/steering_file.hpp"

#include <utility>

namespace tallyman::agent {

SteeringFile::SteeringFile(app::EventLoop& loop, Files& files, std::string path)
    : loop_(loop), files_(files), path_(std::move(path)) {
  if (!files_.exists(path_)) return;
  Result<Bytes> bytes = read_file(files_, path_, kMaxSteeringBytes);
  Result<SteeringTable> table =
      bytes ? decode_steering(*bytes) : Result<SteeringTable>(bytes.error());
  if (table) {
    table_ = std::move(*table);
  } else {
    trouble_ = "what was disabled and counted is lost, so nothing is disabled: " + path_ + ": " +
               table.error().what + "; disable again what is to be";
  }
}

SteeringFile::~SteeringFile() {
  thread_.reset();
  if (waiting_.empty()) return;
  (void)write_file_atomically(files_, path_, encode_steering(table_));
}

void SteeringFile::save(Done done) {
  waiting_.push_back(std::move(done));
  write();
}

void SteeringFile::write() {
  if (waiting_.empty() || (thread_ && thread_->busy())) return;
  if (!thread_) {
    auto started =
        SyncThread::start(loop_, [this](const SyncJob&, const Status& result) { written(result); });
    if (!started) {
      loop_.after(0, [error = started.error(), done = std::exchange(waiting_, {})] {
        for (const Done& each : done) each(error);
      });
      return;
    }
    thread_ = std::move(*started);
  }
  writing_ = std::exchange(waiting_, {});
  SyncJob job;
  job.run = [this, bytes = encode_steering(table_)] {
    return write_file_atomically(files_, path_, bytes);
  };
  thread_->submit(std::move(job));
}

void SteeringFile::written(const Status& result) {
  for (const Done& done : std::exchange(writing_, {})) done(result);
  write();
}

}  // namespace tallyman::agent
