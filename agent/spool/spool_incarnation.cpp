// A new incarnation: what the rater does not hold is written again under new sequence numbers.
//
// The new segments are prepared in next/; writing the identity is the moment it begins; recovery
// does the rest, here as after a crash. Definitions keep their numbers and stand, all of them, in
// the first batches.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

/// The chain of batches of the incarnation that is being prepared.
class Rewriter {
 public:
  Rewriter(std::string agent, const wire::Incarnation& incarnation)
      : agent_(std::move(agent)), incarnation_(incarnation) {}

  /// The same entries as the next batch of the chain. What lost readings still says so: a range of
  /// lost batches is one stand-in.
  void add(const wire::Batch& batch, Bytes& out) {
    wire::Batch next = batch;
    next.head.agent = agent_;
    next.head.incarnation = incarnation_;
    next.head.sequence = next.head.last = ++sequence_;
    next.head.previous = hash_;
    next.head.original = kNoHash;
    Bytes bytes = wire::encode_batch(next);
    if (next.head.kind != wire::BatchKind::normal) {
      // There is no original in this chain: its successor names what stands here.
      next.head.original = wire::batch_hash(bytes);
      bytes = wire::encode_batch(next);
    }
    hash_ = link_hash(next.head, bytes);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  [[nodiscard]] std::uint64_t next() const { return sequence_ + 1; }

 private:
  std::string agent_;
  wire::Incarnation incarnation_;
  std::uint64_t sequence_ = 0;
  Hash hash_ = kNoHash;
};

}  // namespace

Status SpoolStore::begin_incarnation(const std::string& why) {
  if (!holding_.empty())
    return Error{"what it holds is being written", options_.directory, "it is tried again"};
  Status done = ready();
  if (done.ok() && open_) done = write_seal(0);
  if (!done) return done;
  // Everything sealed is made durable the same way as after a failed write-out: at once.
  done = move_to_new_segment();
  // What the rater holds is of no use to the next incarnation, and not worth quarantine.
  while (done.ok() && acknowledged_front()) done = remove_front();
  if (!done) return done;

  Identity next = identity_;
  next.created = clock_.wall();
  random_bytes(next.incarnation);
  const std::string directory = path("next");
  done = files_.make_directories(directory);
  if (!done) return done;
  const auto leftovers = files_.list(directory);
  if (!leftovers) return leftovers.error();
  for (const auto& name : *leftovers) {
    done = files_.remove(directory + "/" + name);
    if (!done) return done;
  }
  done = rewrite_unacknowledged(next, directory);
  if (done.ok()) done = files_.sync_directory(options_.directory);
  if (done.ok()) done = store_identity(next);
  if (!done) return done;
  note("a new incarnation begins: " + why);
  half_open_ = true;
  return ready();
}

Status SpoolStore::rewrite_unacknowledged(const Identity& next, const std::string& directory) {
  Rewriter rewriter(agent_, next.incarnation);
  SegmentHeader header;
  header.agent = agent_;
  header.incarnation = next.incarnation;
  header.highest = dictionary_.highest();
  header.ledger = next.ledger;
  header.token = next.token;
  header.begun = clock_.wall();
  const Bytes start = preamble();
  Bytes batches;
  header.first = rewriter.next();
  const auto flush = [&]() -> Status {
    Bytes bytes = encode_segment_start(header, start);
    bytes.insert(bytes.end(), batches.begin(), batches.end());
    Status room = room_for(0);
    if (!room) return room;
    Status done =
        write_file_atomically(files_, directory + "/" + segment_name(header.first), bytes);
    batches.clear();
    header.first = rewriter.next();
    return done;
  };
  for (auto& run : cut_definitions(dictionary_.from(1))) {
    wire::Batch batch;
    batch.head.boot = boot_;
    batch.head.opened = std::max<Ns>(clock_.wall(), 0);
    batch.entries = std::move(run);
    rewriter.add(batch, batches);
  }
  for (std::uint64_t sequence = mark_.sequence; sequence < sealed_;) {
    const auto sealed = next_after(sequence);
    if (!sealed) return sealed.error();
    if (!*sealed) break;
    sequence = (*sealed)->last;
    auto batch = wire::decode_batch((*sealed)->bytes);
    if (!batch) return batch.error();
    std::erase_if(batch->entries, [&](const wire::Entry& entry) {
      const auto* definition = std::get_if<wire::Definition>(&entry);
      return definition != nullptr && dictionary_.find(definition->number) != nullptr;
    });
    rewriter.add(*batch, batches);
    if (batches.size() >= batches_limit(start.size())) {
      Status done = flush();
      if (!done) return done;
    }
  }
  return flush();
}

}  // namespace tallyman::agent
