#pragma once
// The spool's dictionary: numbers for definitions, found again by content.

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <vector>

#include "agent/spool/spool.hpp"

namespace tallyman::agent {

/// Bytes of definitions in one page: far from what a frame or a batch may hold.
constexpr std::size_t kDefinitionRun = 256U << 10U;

/// Numbers ascend and are never reused within an incarnation, also when definitions were lost to
/// damage: skip() leaves their numbers out. Owned by the spool, main thread.
class DefinitionMap final : public Dictionary {
 public:
  using Key = std::array<std::uint8_t, 16>;

  /// 0, and nothing recorded, for a body that no decoder would accept (empty name, a reference to
  /// what is not defined).
  wire::DefNo intern(const wire::DefBody& body) override;
  void info(wire::DefNo series, Ns from, const wire::LabelValues& values) override;
  [[nodiscard]] const wire::DefBody* find(wire::DefNo number) const override;
  [[nodiscard]] const wire::LabelValues* info_of(wire::DefNo series) const override;
  [[nodiscard]] wire::DefNo highest() const override { return highest_; }
  [[nodiscard]] std::vector<wire::Definition> from(wire::DefNo first) const override;

  /// Takes over what a recovery read; what is there already stays.
  void load(const wire::Definition& definition);
  /// Drops what refers to definitions that are not there, after all is loaded that can be.
  void prune();
  /// Whether all that an entry refers to is defined.
  [[nodiscard]] bool resolves(const wire::Entry& entry) const;
  /// No number up to this one will be given out.
  void skip(wire::DefNo number) { highest_ = std::max(highest_, number); }
  /// Those that stand in no page yet, ascending: to be written before the next one.
  [[nodiscard]] std::vector<wire::Definition> fresh() const { return from(committed_ + 1); }
  /// All up to this number stand in pages; a lower one than before changes nothing.
  void commit(wire::DefNo number) { committed_ = std::max(committed_, number); }
  /// The highest number that stands in a page, or was skipped.
  [[nodiscard]] wire::DefNo committed() const { return committed_; }

  /// All of it as values; and again, into an empty one. The keys are carried, since to hash each
  /// definition anew takes longer than all the rest. False when something does not decode.
  struct Numbered {
    Key key{};
    wire::DefNo number = 0;
  };
  struct Saved {
    std::vector<Bytes> definitions;
    std::vector<Numbered> numbers;
    wire::DefNo highest = 0;
    wire::DefNo committed = 0;
  };
  [[nodiscard]] Saved save() const;
  [[nodiscard]] bool restore(const Saved& saved);

 private:
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  static Key key_of(const wire::DefBody& body);
  wire::DefNo add(const wire::DefBody& body);

  std::map<wire::DefNo, wire::DefBody> bodies_;
  std::unordered_map<Key, wire::DefNo, KeyHash> numbers_;
  std::unordered_map<wire::DefNo, wire::DefNo> infos_;  ///< series → its last InfoDef
  wire::DefNo highest_ = 0;
  wire::DefNo committed_ = 0;
};

/// Splits into runs of about `bytes` encoded bytes, at least one definition each, in order.
[[nodiscard]] std::vector<std::vector<wire::Entry>> cut_definitions(
    const std::vector<wire::Definition>& definitions, std::size_t bytes = kDefinitionRun);

}  // namespace tallyman::agent
