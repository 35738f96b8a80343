#pragma once

namespace rela {

/// The report's style sheet, to follow page_variables(): one column on narrow screens, no shadows
/// and no split figures on paper.
extern const char* const kPageStyle;

/// Shows the values under the pointer. The page is complete without it.
extern const char* const kPageScript;

}  // namespace rela
