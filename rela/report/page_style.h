#pragma once

namespace rela {

/// Style sheet of charts and the colours of pages: light and dark by the reader's setting.
extern const char* const kChartStyle;

/// The rest of the report's style sheet, to follow that of charts: one column on narrow screens, no
/// shadows and no split figures on paper.
extern const char* const kPageStyle;

/// Shows the values under the pointer. The page is complete without it.
extern const char* const kPageScript;

}  // namespace rela
