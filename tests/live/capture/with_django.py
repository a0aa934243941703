"""Django: inspectdb, the ORM."""

import io
import os

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection, models, transaction

place = {
    "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": os.environ["PGPORT"], "NAME": "corpus",
    "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"], "OPTIONS": {},
}  # fmt: skip
settings.configure(
    DATABASES={"default": place}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
)  # fmt: skip
django.setup()


class Order(models.Model):
    id = models.AutoField(primary_key=True)
    customer_id = models.IntegerField(null=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.TextField(default="new")

    class Meta:
        app_label, db_table, managed = "shop", "orders", False


class Item(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, primary_key=True)
    product = models.TextField()
    quantity = models.IntegerField()

    class Meta:
        app_label, db_table, managed = "shop", "items", False


class Stock(models.Model):
    product = models.TextField(primary_key=True)
    quantity = models.IntegerField()

    class Meta:
        app_label, db_table, managed = "shop", "stock", False


def begin(name: str) -> None:
    connection.close()
    connection.settings_dict["OPTIONS"] = {"application_name": name[:63]}


begin("reader prod Django: inspectdb")
call_command("inspectdb", include_views=True, stdout=io.StringIO())
begin("reader prod Django ORM: queries")
list(Order.objects.filter(total__gt=20).exclude(status="x").order_by("id")[:5])
list(Order.objects.values("status").annotate(n=models.Count("id"), s=models.Sum("total")).order_by())
list(Item.objects.select_related("order").filter(order__total__lt=10).order_by("order_id"))
list(Order.objects.filter(id__lt=4).prefetch_related("item_set").order_by("id"))
Order.objects.filter(status__icontains="drop table").exists(), Order.objects.count(), Order.objects.get(pk=3)
Order.objects.aggregate(models.Max("total"), models.Avg("total"))
list(
    Order.objects.filter(models.Exists(Item.objects.filter(order=models.OuterRef("pk"))))
    .values_list("id", flat=True)
    .order_by("id")
)
list(Order.objects.order_by("id").iterator(chunk_size=10))
begin("writer prod Django ORM: create, save, update, delete")
order = Order.objects.create(customer_id=2, total=3)
order.status = "paid"
order.save()
Stock.objects.update_or_create(product="thing 1", defaults={"quantity": 4})
Stock.objects.get_or_create(product="thing 8", defaults={"quantity": 4})
Order.objects.filter(pk=order.pk).update(total=models.F("total") + 1)
with transaction.atomic():
    Stock.objects.select_for_update().get(product="thing 0")
    try:
        with transaction.atomic():
            Stock.objects.create(product="thing 0", quantity=1)
    except django.db.IntegrityError:
        pass
Stock.objects.bulk_create([Stock(product=f"bulk {n}", quantity=n) for n in range(3)], ignore_conflicts=True)
Stock.objects.filter(product__startswith="bulk").delete()
connection.close()
