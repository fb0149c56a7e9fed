"""A new database gets the tables at once; one that has some of them takes the files replaced."""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from config.core.tables.creation import CreateModels


class Migration(migrations.Migration):

    replaces = [
        ('auth_tokens', '0001_initial'),
        ('auth_tokens', '0002_broker_tokens'),
        ('auth_tokens', '0003_end_readable_sessions'),
        ('auth_tokens', '0004_live_every'),
        ('auth_tokens', '0005_second_factor'),
    ]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name='User',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('password', models.CharField(max_length=128, verbose_name='password')),
                        ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                        ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                        ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                        ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                        ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                        ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                        ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                        ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                        ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                        ('time_zone', models.CharField(blank=True, max_length=48)),
                        ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                        ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
                        ('live_every', models.PositiveSmallIntegerField(choices=[(0, 'at once'), (5, 'every 5 seconds'), (30, 'every 30 seconds')], default=0)),
                        ('second_factor_since', models.DateTimeField(blank=True, help_text='From then on the password alone lets nobody in.', null=True)),
                    ],
                    options={
                        'ordering': ['username'],
                    },
                    managers=[
                        ('objects', django.contrib.auth.models.UserManager()),
                    ],
                ),
                migrations.CreateModel(
                    name='ApiToken',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=64)),
                        ('prefix', models.CharField(help_text='First characters, to recognise it by.', max_length=12)),
                        ('digest', models.CharField(max_length=64, unique=True)),
                        ('scope', models.CharField(choices=[('read', 'Read'), ('sync', 'Read and sync')], default='read', max_length=8)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('expires_at', models.DateTimeField(blank=True, null=True)),
                        ('last_used_at', models.DateTimeField(blank=True, null=True)),
                        ('revoked_at', models.DateTimeField(blank=True, null=True)),
                        ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-created_at'],
                    },
                ),
                migrations.CreateModel(
                    name='AuditEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField(auto_now_add=True, db_index=True)),
                        ('event', models.CharField(help_text='noun.verb_past', max_length=48)),
                        ('subject', models.CharField(blank=True, max_length=96)),
                        ('detail', models.JSONField(blank=True, default=dict)),
                        ('request_id', models.CharField(blank=True, max_length=64)),
                        ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-at', '-id'],
                    },
                ),
                migrations.CreateModel(
                    name='BrokerToken',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('provider', models.CharField(max_length=32, unique=True)),
                        ('ciphertext', models.TextField(blank=True)),
                        ('version', models.PositiveBigIntegerField(default=0)),
                        ('source', models.CharField(blank=True, help_text='How it was obtained: browser, analytics, oauth, …', max_length=16)),
                        ('credentials', models.CharField(blank=True, help_text='Fingerprint of the credentials that were used.', max_length=16)),
                        ('obtained_at', models.DateTimeField(blank=True, null=True)),
                        ('expires_at', models.DateTimeField(blank=True, null=True)),
                        ('status', models.CharField(choices=[('missing', 'No token yet'), ('valid', 'Valid'), ('failing', 'Renewal failed, tried again'), ('stopped', 'Stopped, an operator has to act')], default='missing', max_length=8)),
                        ('last_error', models.CharField(blank=True, max_length=500)),
                        ('last_error_code', models.CharField(blank=True, max_length=48)),
                        ('failures', models.PositiveIntegerField(default=0, help_text='Tries that failed in a row.')),
                        ('tries', models.PositiveBigIntegerField(default=0, help_text='Tries that ended, ever.')),
                        ('tried_at', models.DateTimeField(blank=True, null=True)),
                        ('next_try_at', models.DateTimeField(blank=True, null=True)),
                        ('renewing_by', models.CharField(blank=True, max_length=32)),
                        ('renewing_until', models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        'db_table': 'broker_tokens',
                        'ordering': ['provider'],
                    },
                ),
                migrations.CreateModel(
                    name='TokenEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField(db_index=True)),
                        ('provider', models.CharField(max_length=32)),
                        ('event', models.CharField(choices=[('log_in.started', 'Log-in started'), ('token.renewed', 'Token renewed'), ('renewal.failed', 'Renewal failed'), ('renewal.stopped', 'Renewal stopped'), ('token.reset', 'Reset by an operator')], max_length=24)),
                        ('source', models.CharField(blank=True, max_length=16)),
                        ('credentials', models.CharField(blank=True, max_length=16)),
                        ('code', models.CharField(blank=True, max_length=48)),
                        ('detail', models.CharField(blank=True, max_length=500)),
                        ('screenshot', models.CharField(blank=True, help_text='File under VAR_DIR/log_ins where it was tried.', max_length=200)),
                        ('request_id', models.CharField(blank=True, max_length=64)),
                        ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'db_table': 'token_events',
                        'ordering': ['-at', '-id'],
                        'indexes': [models.Index(fields=['provider', 'event', 'at'], name='token_events_tries')],
                    },
                ),
                migrations.CreateModel(
                    name='SecondFactor',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('ciphertext', models.TextField(help_text='The secret, encrypted.')),
                        ('last_slot', models.BigIntegerField(default=0, help_text='Of the last right code: each is good once.')),
                        ('recovery_digests', models.JSONField(default=list)),
                        ('failures', models.PositiveIntegerField(default=0, help_text='Wrong codes in a row.')),
                        ('next_try_at', models.DateTimeField(blank=True, null=True)),
                        ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='second_factor', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'db_table': 'second_factors',
                    },
                ),
            ],
        ),
    ]
