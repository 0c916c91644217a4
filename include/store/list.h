/* Lists that any thread pushes to, and that the maintenance thread alone cuts items out of: no cutting can meet
 * another. A head is _Atomic(struct item *), and so is the link inside an item.  Who walks a list must be inside
 * (epoch.h). */
#ifndef LIST_H
#define LIST_H

#include <stdatomic.h>

/* Put an item in front.  Release: who finds it sees it filled in. */
#define LIST_PUSH(list_head, item, link)                                                                        \
    do {                                                                                                        \
        __auto_type list_first = atomic_load_explicit((list_head), memory_order_relaxed);                       \
        do {                                                                                                    \
            atomic_store_explicit(&(item)->link, list_first, memory_order_relaxed);                             \
        } while (!atomic_compare_exchange_weak_explicit((list_head), &list_first, (item), memory_order_release, \
                                                        memory_order_relaxed));                                 \
    } while (0)

/* Cut an item out; those who stand on it may still go on from it. */
#define LIST_CUT(list_head, item, link)                                                                       \
    do {                                                                                                      \
        __auto_type list_after = atomic_load_explicit(&(item)->link, memory_order_acquire);                   \
        __auto_type list_at = (item);                                                                         \
        if (!atomic_compare_exchange_strong_explicit((list_head), &list_at, list_after, memory_order_acq_rel, \
                                                     memory_order_acquire)) {                                 \
            for (;;) {                                                                                        \
                __auto_type list_next = atomic_load_explicit(&list_at->link, memory_order_acquire);           \
                if (list_next == (item)) {                                                                    \
                    atomic_store_explicit(&list_at->link, list_after, memory_order_release);                  \
                    break;                                                                                    \
                }                                                                                             \
                list_at = list_next;                                                                          \
            }                                                                                                 \
        }                                                                                                     \
    } while (0)

/* The same while walking: previous is the item before it that stayed, or NULL if all before it were cut out.  What was
 * pushed meanwhile stands before that. */
#define LIST_CUT_AFTER(list_head, previous, item, link)                                                         \
    do {                                                                                                        \
        if ((previous) == NULL)                                                                                 \
            LIST_CUT(list_head, item, link);                                                                    \
        else                                                                                                    \
            atomic_store_explicit(&(previous)->link, atomic_load_explicit(&(item)->link, memory_order_relaxed), \
                                  memory_order_release);                                                        \
    } while (0)

#endif
