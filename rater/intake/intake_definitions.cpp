// The part of the intake that keeps definitions.

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "rater/intake/intake.hpp"
#include "rater/intake/intake_staged.hpp"

namespace tallyman::rater {

Result<std::vector<wire::Definition>> Intake::definitions_after(std::int64_t stream,
                                                                wire::DefNo number) {
  auto query = ledger_.database().prepare(
      "SELECT body FROM definition WHERE stream = ? AND number > ? ORDER BY number");
  query.bind(1, stream).bind_u64(2, std::min(number, kMaxNumber));
  std::vector<wire::Definition> out;
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    auto definition = wire::decode_definition(query.blob(0));
    if (!definition.ok()) return definition.error();
    out.push_back(std::move(*definition));
  }
}

Result<References*> Intake::references(std::int64_t stream) {
  const auto held = known_.find(stream);
  if (held != known_.end()) return &held->second;
  auto all = definitions(stream);
  if (!all.ok()) return all.error();
  References references;
  for (const wire::Definition& definition : *all) references.add(definition);
  return &known_.insert_or_assign(stream, std::move(references)).first->second;
}

Result<bool> Intake::same_definition(std::int64_t stream, const wire::Definition& definition) {
  auto query =
      ledger_.database().prepare("SELECT body FROM definition WHERE stream = ? AND number = ?");
  const auto row = query.bind(1, stream).bind_u64(2, definition.number).step();
  if (!row.ok()) return row.error();
  return *row && query.blob(0) == wire::encode_definition(definition);
}

Result<Accepted> Intake::stage(std::int64_t stream, const wire::Definition& definition,
                               const std::vector<const wire::Definition*>& staged,
                               const References& references) {
  if (references.has(definition.number)) {
    const auto here = std::find_if(staged.begin(), staged.end(), [&](const auto* other) {
      return other->number == definition.number;
    });
    auto same = here != staged.end() ? Result<bool>(**here == definition)
                                     : same_definition(stream, definition);
    if (!same.ok()) return same.error();
    if (*same) return Accepted{Accepted::Outcome::repeat, {}, {}};
    return refused(wire::Refusal::diverged,
                   fmt::format("definition {} is held with other content; open a new incarnation",
                               definition.number));
  }
  std::string wrong = references.check(definition);
  if (!wrong.empty()) return refused(wire::Refusal::malformed, std::move(wrong));
  return Accepted{Accepted::Outcome::applied, {}, {}};
}

Result<Accepted> Intake::accept_definitions(std::int64_t id,
                                            const std::vector<wire::Definition>& definitions) {
  const auto to = stream(id);
  if (!to.ok()) return to.error();
  auto references = this->references(id);
  if (!references.ok()) return references.error();
  Staged staged(**references);
  for (const wire::Definition& definition : definitions) {
    auto added = stage(id, definition, staged.added(), **references);
    if (!added.ok()) return added.error();
    if (added->outcome == Accepted::Outcome::refused) return *added;
    if (added->outcome == Accepted::Outcome::applied) staged.add(definition);
  }
  if (staged.added().empty()) return Accepted{Accepted::Outcome::repeat, {}, {}};
  if (Status status = store_definitions(*to, staged.added(), **references); !status.ok()) {
    return status.error();
  }
  staged.keep();
  return Accepted{Accepted::Outcome::applied, {}, {}};
}

Status Intake::store_definitions(const Stream& stream,
                                 const std::vector<const wire::Definition*>& definitions,
                                 const References& references) {
  if (definitions.empty()) return {};
  auto insert = ledger_.database().prepare("INSERT INTO definition VALUES (?, ?, ?)");
  for (const wire::Definition* definition : definitions) {
    insert.bind(1, stream.id)
        .bind_u64(2, definition->number)
        .bind(3, ByteView(wire::encode_definition(*definition)));
    if (Status status = insert.done(); !status.ok()) return status;
  }
  return ledger_.database()
      .prepare("UPDATE stream SET definitions = ? WHERE id = ?")
      .bind_u64(1, references.contiguous(stream.highest_definition))
      .bind(2, stream.id)
      .done();
}

}  // namespace tallyman::rater
