/*
 * The intrusive list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	char name;
	struct list node;
};

/* The names in the list, forwards; backwards must be the same reversed. */
static void assert_list(struct list *head, const char *want)
{
	size_t len = strlen(want), i = 0;
	struct list *node;

	list_each (node, head) {
		assert_true(i < len);
		assert_int_equal(list_entry(node, struct item, node)->name,
				 want[i++]);
	}
	assert_int_equal(i, len);
	for (node = head->prev; node != head; node = node->prev)
		assert_int_equal(list_entry(node, struct item, node)->name,
				 want[--i]);
	assert_int_equal(i, 0);
	assert_int_equal(list_is_empty(head), len == 0);
}

static void nodes_are_added_at_the_end(void **state)
{
	struct item a = { .name = 'a' }, b = { .name = 'b' };
	struct list head;

	(void)state;
	list_init(&head);
	assert_list(&head, "");
	list_add(&head, &a.node);
	assert_list(&head, "a");
	list_add(&head, &b.node);
	assert_list(&head, "ab");
}

static void a_node_may_be_removed_twice(void **state)
{
	struct item item[3] = { { .name = 'a' },
				{ .name = 'b' },
				{ .name = 'c' } };
	struct list head;
	size_t i;

	(void)state;
	list_init(&head);
	for (i = 0; i < 3; i++)
		list_add(&head, &item[i].node);
	list_remove(&item[1].node);
	assert_list(&head, "ac");
	list_remove(&item[1].node);
	assert_list(&head, "ac");
	assert_true(list_is_empty(&item[1].node));
	list_remove(&item[0].node);
	list_remove(&item[2].node);
	assert_list(&head, "");
}

static void a_moved_node_stands_at_the_end_of_the_other_list(void **state)
{
	struct item a = { .name = 'a' }, b = { .name = 'b' };
	struct list from, to;

	(void)state;
	list_init(&from);
	list_init(&to);
	list_add(&from, &a.node);
	list_add(&from, &b.node);
	list_move(&to, &a.node);
	assert_list(&from, "b");
	assert_list(&to, "a");
	list_move(&to, &b.node);
	assert_list(&from, "");
	list_move(&to, &a.node); /* within its own list */
	assert_list(&to, "ba");
}

static void the_current_node_may_be_removed_in_a_safe_walk(void **state)
{
	struct item item[4] = { { .name = 'a' },
				{ .name = 'b' },
				{ .name = 'c' },
				{ .name = 'd' } };
	struct list head, *node, *spare;
	size_t i;

	(void)state;
	list_init(&head);
	for (i = 0; i < 4; i++)
		list_add(&head, &item[i].node);
	list_each_safe (node, spare, &head)
		if (list_entry(node, struct item, node)->name % 2)
			list_remove(node);
	assert_list(&head, "bd");
	list_each_safe (node, spare, &head)
		list_remove(node);
	assert_list(&head, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_are_added_at_the_end),
		cmocka_unit_test(a_node_may_be_removed_twice),
		cmocka_unit_test(
			a_moved_node_stands_at_the_end_of_the_other_list),
		cmocka_unit_test(
			the_current_node_may_be_removed_in_a_safe_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
