/* Shared objects that are no plugins: without the symbol, with a function nobody defines, or with a
 * table of nothing. */
#include <tallyman/plugin.h>

#if defined(UNRESOLVED)
int tallyman_no_such_function(void);
TM_EXPORT int calls_it(void) { return tallyman_no_such_function(); }
#elif defined(EMPTY_TABLE)
const struct tm_plugin_v1 tm_plugin_v1_entry = {0};
#else
TM_EXPORT int exported_but_not_the_table = 1;
#endif
