// The approver's signature under a correction: the CloudEvents extension attribute `signature` (`ce_signature` in binary mode, a member
// `signature` in structured mode), "<name> <base64 of key id ‖ Ed25519 signature>". What is signed is the text of a C2SP signed note, so
// that other people's software checks it.
//
// It decides nothing: whether it holds is said wherever a correction is shown.
//
// Source  docs/FORMAT.md, "Signature of a correction". C2SP signed-note.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/signer.h"
#include "server/json.h"

namespace bukubesar {

// What an approver signs: five lines, the last of which is the SHA-256 of `data` as its bytes stand in the event.
[[nodiscard]] std::string correction_text(std::string_view source, std::string_view id, std::string_view subject, std::string_view data);
// The attribute's value.
[[nodiscard]] std::string correction_signature(const SigningKeys& keys, std::string_view name, std::string_view text);

// Of a correction's payload: {"state":"valid","approver":…}; states: absent, valid, invalid, unknown_key (signed, and none of
// `verifier_keys` is of that name).
[[nodiscard]] Json check_correction_signature(std::string_view payload, const std::vector<std::string>& verifier_keys);

}  // namespace bukubesar
